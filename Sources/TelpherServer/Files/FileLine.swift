internal import TelpherFileStore
internal import TelpherTransfer

/// The queue of one connection's file requests. It limits how many requests of each kind run at
/// once, so that one client never uses all threads. Further requests wait here, first in, first
/// out. A further `put` is refused: bytes that arrive for a waiting `put` would use up the credit
/// that the running ones need. Use it only on its loop's thread.
final class FileLine {
  private struct Lane {
    var working = 0
    /// Those of `working` that use a reserved thread.
    var reserved = 0
    var waiting: [FileJob] = []
  }

  private let workers: FileWorkers
  private let announced = AnnouncedBytes()
  private let maxTransfers: Int
  private let maxSmall: Int
  private let reservedTransfers: Int
  private var lanes: [FileWorkers.Kind: Lane] = [:]

  /// Creates the queue of one connection, with the limits of the server's configuration.
  init(_ workers: FileWorkers, _ configuration: ServerConfiguration) {
    self.workers = workers
    reservedTransfers = configuration.reservedTransfersPerConnection
    maxTransfers = configuration.maxTransfersPerConnection
    maxSmall = configuration.maxSmallFileRequestsPerConnection
  }

  /// Starts `job`, at once or when an earlier one of its kind has finished.
  ///
  /// - Throws: `FileError` (`busy`) if the system can't start a thread, or if the connection has as
  ///   many `put` requests as it may have; then the job is not in the queue.
  func add(_ job: FileJob) throws(FileError) {
    guard mayStart(job.kind) else {
      if job.kind == .put {
        throw FileError(
          .busy,
          "\(maxTransfers) files or trees are being stored over this connection (max_transfers_per_connection): wait until one has finished"
        )
      }
      lanes[job.kind, default: Lane()].waiting.append(job)
      return
    }
    try start(job)
  }

  private func start(_ job: FileJob) throws(FileError) {
    let reserved = lanes[job.kind]?.reserved ?? 0
    let isReserved = job.kind.isTransfer && reserved < reservedTransfers
    try job.start(
      on: isReserved ? workers.reserved : workers[job.kind], isReserved: isReserved,
      announced: announced)
    lanes[job.kind, default: Lane()].working += 1
    if isReserved { lanes[job.kind, default: Lane()].reserved += 1 }
  }

  /// Removes a finished job, whether or not it had started, and starts the next ones.
  func remove(_ job: FileJob) {
    let kind = job.kind
    if let index = lanes[kind]?.waiting.firstIndex(where: { $0 === job }) {
      lanes[kind]?.waiting.remove(at: index)
    }
    guard job.hasStarted else { return }
    lanes[kind]?.working -= 1
    if job.isReserved { lanes[kind]?.reserved -= 1 }
    while mayStart(kind), let next = lanes[kind]?.waiting.first {
      lanes[kind]?.waiting.removeFirst()
      do throws(FileError) {
        try start(next)
      } catch {
        next.end(error)
      }
    }
  }

  private func mayStart(_ kind: FileWorkers.Kind) -> Bool {
    lanes[kind]?.working ?? 0 < (kind.isTransfer ? maxTransfers : maxSmall)
  }
}
