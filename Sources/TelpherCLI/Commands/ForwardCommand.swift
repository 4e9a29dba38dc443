internal import ArgumentParser
internal import TelpherClient

/// `telpher forward`
struct ForwardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Forwards TCP connections and Unix sockets to a server, or back with --reverse.",
    discussion: """
      Accepts connections at LOCAL, and the server connects to REMOTE for each of them. With \
      --reverse the server accepts at REMOTE, and this machine connects to LOCAL. An address is \
      PORT, HOST:PORT or unix:PATH; an IPv6 host is written in brackets. A port without a host \
      can be reached only from its own machine: to let other machines in, name the host, for \
      example 0.0.0.0:8080. Port 0 chooses a free one.

      Prints 'listening on ADDRESS' on standard error when it is ready, and a line for each \
      connection that cannot be continued. Runs until Ctrl-C or another terminating signal, \
      which resets all connections; the exit status is then 128 + the number of the signal. It is \
      125 if the address cannot be used, or if the connection to the server is lost. After \
      'telpher serve --replace' new connections go to the new server.
      """)

  @OptionGroup var server: ServerOptions

  @Flag(help: "Accepts at REMOTE on the server, and connects to LOCAL here.")
  var reverse = false

  @Flag(help: "Prints each event as one JSON object on standard output.")
  var json = false

  @Argument(
    help: ArgumentHelp("The address on this machine.", valueName: "local"),
    transform: ForwardAddress.parse)
  var local: ForwardAddress

  @Argument(
    help: ArgumentHelp("The address at the server.", valueName: "remote"),
    transform: ForwardAddress.parse)
  var remote: ForwardAddress

  func validate() throws {
    guard !(reverse ? local : remote).hasNoPort else {
      throw ValidationError(
        "\(reverse ? "LOCAL" : "REMOTE") needs a port from 1 to 65535 to connect to")
    }
  }

  func run() async throws {
    do {
      let reached = try await ServerReach(settings: server.settings).connect(
        embeddedServer: .forbidden)
      let forwarding = Forwarding(
        local: reverse ? local.toConnect : local.toListen,
        remote: reverse ? remote.toListenAtServer : remote.toConnect,
        direction: reverse ? .fromServer : .toServer)
      let again = ServerReach(settings: server.settings, loop: reached.connection.loop)
      try await ForwardRun(forwarding: forwarding, printsJSON: json).perform(
        on: reached.connection,
        reconnect: { try await again.connect(embeddedServer: .forbidden).connection })
    } catch {
      throw Failure(error)
    }
  }
}
