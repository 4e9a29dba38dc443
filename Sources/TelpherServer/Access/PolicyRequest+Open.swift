internal import TelpherFileStore
internal import TelpherPolicy
internal import TelpherTransport
internal import TelpherWire

extension PolicyRequest {
  /// A client's request in the terms of a policy; nil if every client may ask for it.
  ///
  /// - Parameter listener: for a request that takes an accepted connection: the address of its
  ///   listener, as the client wrote it; nil if the connection is unknown, and for other requests.
  /// - Throws: `Rights.Refusal` if a path or an address in it is invalid: nothing can be decided about
  ///   it.
  init?(
    _ request: OpenRequest, listener: String? = nil
  ) throws(Rights.Refusal) {
    switch request {
    case .info: return nil
    case .commands, .job: self = .jobs
    case .run(let run): self = .run(Run(run))
    case .file(let file): self = .files(try Files(file))
    case .socket(let socket):
      guard let text = socket.operation == .accept ? listener : socket.address ?? "" else {
        self = .accept
        return
      }
      let address: StreamTarget
      do throws(TransportError) { address = try StreamTarget(parsing: text) } catch {
        throw Rights.Refusal(message: error.message)
      }
      switch socket.operation {
      case .connect, .check: self = .connect(address)
      case .listen, .accept: self = .listen(address)
      }
    }
  }
}

extension PolicyRequest.Run {
  fileprivate init(_ run: RunRequest) {
    self.init(argv: run.login == true || run.shell != nil ? nil : run.argv?.map(\.bytes))
    usesTerminal = run.terminal != nil
    variables = (run.env ?? [:]).keys.sorted()
    choosesDirectory = run.cwd != nil
    startsEmpty = run.cleanEnv == true
  }
}

extension PolicyRequest.Run {
  /// The command of a job that runs.
  init(_ terms: JobTerms) {
    self.init(argv: terms.argv?.map(\.bytes))
    (usesTerminal, variables) = (terms.usesTerminal, terms.variables)
    (choosesDirectory, startsEmpty) = (terms.choosesDirectory, terms.startsEmpty)
    isCut = terms.isCut == true
  }
}

extension PolicyRequest.Files {
  /// The files of a request.
  ///
  /// - Throws: `Rights.Refusal` if a path is invalid.
  fileprivate init(_ request: FileRequest) throws(Rights.Refusal) {
    self.init()
    var paths: [PolicyPath] = []
    let sources = request.operation == .getTree ? (request.sources ?? []).map(\.path) : []
    for path in [request.path, request.to].compactMap(\.self) + sources {
      let requested: RequestedPath
      do throws(FileError) { requested = try RequestedPath(path.bytes) } catch {
        throw Rights.Refusal(message: error.message)
      }
      paths.append(PolicyPath(isFromHome: requested.start == .home, bytes: requested.path.bytes))
    }
    switch request.operation {
    case .get, .getTree, .list: reads = paths
    case .put, .putTree, .mkdir, .rm, .mv: writes = paths
    case .stat: looks = paths
    }
  }
}
