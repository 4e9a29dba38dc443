internal import TelpherFileStore
internal import TelpherWire

/// The threads for file requests: one pool for small changes, one for listings and one for
/// transfers, so that a short request never waits for long ones to finish. The first transfers of
/// each connection have threads of their own, so that no connection waits for the transfers of
/// others, which may last forever.
struct FileWorkers: Sendable {
  /// Kinds of requests, by what their threads wait for.
  enum Kind: CaseIterable {
    /// `stat`, `mkdir`, `rm`, `mv`: the thread waits only for the disk.
    case change
    /// `list`: the thread waits for the client to read, and has little to send.
    case list
    /// `get` and `get_tree`: the thread waits for the client to read, without a time limit.
    case get
    /// `put` and `put_tree`: the thread waits for the client to send, without a time limit.
    case put

    /// The kind of a request.
    init(_ operation: FileRequest.Operation) {
      switch operation {
      case .stat, .mkdir, .rm, .mv: self = .change
      case .list: self = .list
      case .get, .getTree: self = .get
      case .put, .putTree: self = .put
      }
    }

    /// Whether it moves files, and so may last as long as the client wants.
    var isTransfer: Bool { self == .get || self == .put }
  }

  private let changes: WorkerPool
  private let lists: WorkerPool
  private let transfers: WorkerPool
  /// The threads for the first transfers of each connection. Only the number of connections limits
  /// it.
  let reserved = WorkerPool(limit: .max)

  /// Creates the pools with the limits of `configuration`.
  init(_ configuration: ServerConfiguration) {
    changes = WorkerPool(limit: configuration.maxSmallFileWorkers)
    lists = WorkerPool(limit: configuration.maxSmallFileWorkers)
    transfers = WorkerPool(limit: configuration.maxFileWorkers)
  }

  /// The pool for requests of `kind`.
  subscript(kind: Kind) -> WorkerPool {
    switch kind {
    case .change: changes
    case .list: lists
    case .get, .put: transfers
    }
  }
}
