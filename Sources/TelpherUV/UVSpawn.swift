internal import CLibUV
internal import Glibc
internal import TelpherSystem
internal import TelpherTransport

/// The start of a child by libuv's uv_spawn(3), on the loop's thread, which waits until the child has
/// executed its program.
///
/// libuv forks, puts the standard streams in their places, makes a session, enters the working
/// directory and executes the program. Its process handle is closed at once: libuv tells an exit only
/// after it has waited for the child, and not what the child used; so the exit is watched and waited for
/// as of other children.
enum UVSpawn {
  /// Starts the child that `request` asks for.
  ///
  /// - Throws: `SpawnError` with the step that failed.
  static func start(
    _ request: SpawnRequest, by launcher: Launcher, on loop: UVLoop
  ) throws(SpawnError) -> LaunchedProcess {
    let launch = try ForeignLaunch(request, by: launcher)
    let (status, pid) = withExtendedLifetime(launch) { spawn(launch, on: loop) }
    guard status == 0 else {
      // uv_spawn does not say which step failed; what could be looked at before was.
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
    // A handle of a spawn that failed is to be closed as well.
    handle.pointee.data = nil
    Handle.close(handle)
    return (status, pid)
  }
}
