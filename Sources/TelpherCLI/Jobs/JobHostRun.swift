internal import Glibc
internal import TelpherServer
internal import TelpherTransport

/// Runs the job host as this process: keeps the durable jobs of one folder, until some time after the last of
/// them has ended, or until its folder is removed and no job runs.
struct JobHostRun {
  let backend: any Backend
  let place: JobsPlace
  /// The path of the file that says how long jobs are kept.
  let retentionFile: String

  /// How long to wait for an earlier host to end, or to listen.
  private static let patience = Duration.seconds(10)
  private static let pause = Duration.milliseconds(5)

  /// Runs it, with the starter's socket as standard input.
  ///
  /// - Returns: the exit status.
  func run() async -> Int32 {
    let host = HostRun()
    _ = chdir("/")
    return await host.run {
      guard try await takeLock() else { return host.reportReady() }
      try await serve(as: host)
    }
  }

  /// Takes the lock, which this process holds until its end.
  ///
  /// - Returns: false if another host listens.
  /// - Throws: `Failure`.
  private func takeLock() async throws -> Bool {
    let file = open(place.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw Failure("cannot open \(place.lock): \(describe(errno: errno))")
    }
    let end = ContinuousClock.now + Self.patience
    while flock(file, LOCK_EX | LOCK_NB) != 0 {
      if RelayPlace.process(listeningAt: place.socket) != nil { return false }
      guard ContinuousClock.now < end else {
        throw Failure("an earlier job host still runs but does not listen")
      }
      try await Task.sleep(for: Self.pause)
    }
    return true
  }

  private func serve(as host: HostRun) async throws {
    let folder: JobsFolder
    let stored: [StoredJob]
    do throws(JobsFolder.Failure) {
      folder = try JobsFolder(path: SystemString(place.folder))
      stored = try folder.load()
    } catch {
      throw Failure(error.message)
    }
    var configuration = ServerConfiguration()
    configuration.jobs = .kept(
      folder, stored, RetentionFile(path: SystemString(retentionFile)))
    configuration.forwardsConnections = false
    let socket = place.socket
    try await host.serve(
      configuration, on: backend.makeServerParts(loops: 1, spawn: nil),
      // The folder of the jobs was removed.
      isAbandoned: { access(socket, F_OK) != 0 },
      listen: { server in _ = try await server.listen(at: .unix(path: socket)) })
  }
}
