internal import TelpherFiles

/// The requests about files of one connection. As many of each kind are worked on at once as one
/// connection may have threads for, so that one client never holds the threads of all. Further ones
/// wait here, in the order in which they came; but a put is refused, since the bytes that come for it
/// while it waits would use up the credit that those before it need to go on. On its loop's thread
/// only.
final class FileLine {
  private struct Lane {
    var working = 0
    var waiting: [FileJob] = []
  }

  private let workers: FileWorkers
  private let announced = AnnouncedBytes()
  private let limits: [FileWorkers.Kind: Int]
  private var lanes: [FileWorkers.Kind: Lane] = [:]

  /// A line for one connection to a server of this configuration.
  init(_ workers: FileWorkers, _ configuration: ServerConfiguration) {
    self.workers = workers
    limits = [
      .change: configuration.maxSmallFileRequestsPerConnection,
      .list: configuration.maxSmallFileRequestsPerConnection,
      .get: configuration.maxTransfersPerConnection,
      .put: configuration.maxTransfersPerConnection,
    ]
  }

  /// Has `job` started, at once or when one before it has finished.
  ///
  /// - Throws: `FileError` (`busy`) if no thread is to be had, or the connection has as many puts as it
  ///   may; then the job is not in the line.
  func add(_ job: FileJob) throws(FileError) {
    guard mayStart(job.kind) else {
      if job.kind == .put {
        throw FileError(
          .busy,
          "\(limits[.put] ?? 0) files or trees are being stored over this connection (max_transfers_per_connection): wait for one"
        )
      }
      lanes[job.kind, default: Lane()].waiting.append(job)
      return
    }
    try job.start(on: workers[job.kind], announced: announced)
    lanes[job.kind, default: Lane()].working += 1
  }

  /// `job` is over: it had a worker, or gave up waiting for one.
  func remove(_ job: FileJob) {
    let kind = job.kind
    if let index = lanes[kind]?.waiting.firstIndex(where: { $0 === job }) {
      lanes[kind]?.waiting.remove(at: index)
    }
    guard job.hasStarted else { return }
    lanes[kind]?.working -= 1
    while mayStart(kind), let next = lanes[kind]?.waiting.first {
      lanes[kind]?.waiting.removeFirst()
      do throws(FileError) {
        try next.start(on: workers[kind], announced: announced)
        lanes[kind]?.working += 1
      } catch {
        next.end(error)
      }
    }
  }

  private func mayStart(_ kind: FileWorkers.Kind) -> Bool {
    guard let limit = limits[kind] else { preconditionFailure("each kind has a limit") }
    return lanes[kind]?.working ?? 0 < limit
  }
}
