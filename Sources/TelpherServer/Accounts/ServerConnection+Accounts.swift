internal import TelpherAccess
internal import TelpherPolicy
internal import TelpherWire

extension ServerConnection {
  /// The listener of the connection that a request takes; nil if the request takes none, or if no
  /// listener has announced the connection.
  func announcer(for request: OpenRequest) -> Announcer? {
    guard case .socket(let socket) = request, socket.operation == .accept,
      let name = socket.connection
    else { return nil }
    if let address = sockets.listener(of: name) { return Announcer(address: address, account: nil) }
    for case let passed as PassedStream in streams.values {
      if let announced = passed.announced, announced.contains(name) { return announced.announcer }
    }
    return nil
  }

  /// Passes a stream on to the process that acts as the user of `grant`.
  func pass(
    _ grant: Grant, as account: Account, on stream: StreamID, noInput: Bool
  ) {
    guard let hosts = server.configuration.accounts else {
      return refuse(stream, "this server can't act as another user: it does not run as root")
    }
    var request = grant.request
    var writes: PassedStream.Writes?
    var withoutHost: CloseResult?
    switch request {
    case .run(let run):
      guard server.configuration.runsCommands else { return refuse(stream, Self.noCommands) }
      do throws(LimitPolicy.Refusal) {
        let limits = try server.limits(of: run, under: grant.limits)
        var limited = run
        limited.concurrency = grant.concurrency.map { RunRequest.Concurrency(most: $0, others: 0) }
        if !limits.isEmpty {
          limited.limits = limits.byName
        }
        request = .run(limited)
      } catch {
        return refuse(stream, error.message)
      }
    case .commands(let commands):
      // Without a process no command runs.
      switch commands.operation {
      case .list:
        var none = CloseResult(.ok)
        none.commands = []
        withoutHost = none
      case .kill: withoutHost = CloseResult(noCommand: commands.job ?? "")
      }
    case .job:
      guard server.configuration.runsCommands else { return refuse(stream, Self.noCommands) }
    case .file(let file):
      guard !server.configuration.isReadOnly || !file.operation.changesFiles else {
        return refuse(stream, Self.readOnly)
      }
      if file.operation.storesFiles {
        writes = PassedStream.Writes(record: audit.writes(of: stream, as: account))
      }
    case .socket:
      guard server.configuration.allowsSockets else {
        return refuse(stream, "this server forwards nothing (--no-forward)")
      }
    case .info: break
    }
    let use = AccountUse(
      client: client.identity, account: account, folders: grant.folders)
    if let attach = checkedAttach(request, noInput: noInput) {
      return attachWithInput(attach, to: hosts.host(for: use), as: account, on: stream)
    }
    pass(
      request, to: hosts.host(for: use), on: stream, noInput: noInput, withoutHost: withoutHost,
      writes: writes)
    if case .socket(let socket) = request, socket.operation == .listen,
      let address = socket.address,
      let passed = streams[stream] as? PassedStream
    {
      passed.announced = AnnouncedConnections(
        by: Announcer(address: address, account: account), server.configuration.sockets)
    }
  }
}
