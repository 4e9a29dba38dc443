internal import TelpherFiles
internal import TelpherWire

/// The threads that do what clients ask of files, in a pool for each kind of request, so that a
/// request never waits for a thread that only a longer kind holds.
struct FileWorkers: Sendable {
  /// Kinds of requests, by what their thread waits for.
  enum Kind: CaseIterable {
    /// `stat`, `mkdir`, `rm`, `mv`: their thread waits for the disk alone.
    case change
    /// `list`: its thread waits for the client to read, and has little to send.
    case list
    /// `get` and `get_tree`: their thread waits for the client to read, for as long as it likes.
    case get
    /// `put` and `put_tree`: their thread waits for the client to send, for as long as it likes.
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
  }

  private let changes: WorkerPool
  private let lists: WorkerPool
  private let transfers: WorkerPool

  /// Pools with the limits of `configuration`.
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
