internal import CLibUV
internal import Glibc
internal import TelpherProcess
internal import TelpherTransport

/// Starts children with libuv's uv_spawn(3) on the loop's thread, which waits until the child has
/// executed its program.
///
/// libuv forks, connects the standard streams, creates a session, enters the working directory and
/// executes the program. This code closes libuv's process handle at once: libuv reports an exit
/// only after it has waited for the child, and does not report the child's resource usage. So the
/// exit is watched and waited for as for other children.
enum UVSpawn {
  /// Starts the child that `request` describes. Call it on the loop's thread.
  ///
  /// - Throws: `SpawnError` with the step that failed.
  static func start(
    _ request: SpawnRequest, by launcher: Launcher, on loop: UVLoop
  ) throws(SpawnError) -> LaunchedProcess {
    let launch = try ForeignLaunch(request, by: launcher)
    let (status, pid) = withExtendedLifetime(launch) { spawn(launch, on: loop) }
    guard status == 0 else {
      // uv_spawn does not report which step failed. `ForeignLaunch` has checked beforehand what it
      // can.
      let isShort = [EAGAIN, ENOMEM, EMFILE, ENFILE].contains(-status)
      throw SpawnError(isShort ? .resources : .execute, errno: -status, of: request)
    }
    return try launch.didStart(pid)
  }

  private static func spawn(_ launch: ForeignLaunch, on loop: UVLoop) -> (status: Int32, Int32) {
    let stdio = launch.stdio
    var streams = [stdio.0, stdio.1, stdio.2].map { descriptor in
      var stream = uv_stdio_container_t()
      stream.flags = UV_INHERIT_FD
      stream.data.fd = descriptor
      return stream
    }
    let handle = UnsafeMutablePointer<uv_process_t>.allocate(capacity: 1)
    handle.pointee.data = nil
    let status = launch.program.withCString { program in
      streams.withUnsafeMutableBufferPointer { streams in
        func spawn(in directory: UnsafePointer<CChar>?) -> Int32 {
          var options = uv_process_options_t()
          options.file = program
          options.args = UnsafeMutablePointer(mutating: launch.arguments)
          options.env = UnsafeMutablePointer(mutating: launch.environment)
          options.cwd = directory
          options.flags = launch.request.tracksTree ? UV_PROCESS_DETACHED.rawValue : 0
          options.stdio_count = 3
          options.stdio = streams.baseAddress
          return uv_spawn(loop.raw, handle, &options)
        }
        guard let directory = launch.request.directory else { return spawn(in: nil) }
        return directory.withCString { spawn(in: $0) }
      }
    }
    let pid = handle.pointee.pid
    // The handle must be closed even if the spawn failed.
    handle.pointee.data = nil
    Handle.close(handle)
    return (status, pid)
  }
}
