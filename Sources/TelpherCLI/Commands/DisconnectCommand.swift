internal import ArgumentParser
internal import Glibc
internal import TelpherClient

/// `telpher disconnect`
struct DisconnectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "disconnect",
    abstract: "Ends the connections to other machines that are kept open.",
    discussion: """
      A connection that commands use ends after them; later commands make a new one. The exit \
      status is 1 if there is no connection to ADDRESS.
      """)

  @Argument(
    help: "The host or address of the server, as in --on; all if it is missing.",
    completion: WordCompletion.server)
  var address: String?

  @Flag(help: "Ends it at once: commands that use it are lost.")
  var now = false

  func run() async throws {
    var found = 0
    var hasFailed = false
    do {
      let wanted = try address.map {
        try HostName.server($0, environment: Environment.current()).endpoint.description
      }
      let relays = try await RunningRelay.all(
        CurrentBackend.require(), environment: Environment.current())
      for relay in relays where wanted == nil || relay.description?.address == wanted {
        found += 1
        guard !relay.end(atOnce: now) else { continue }
        let name = relay.description?.address ?? "process \(relay.process)"
        let clients = relay.description?.clients ?? 0
        Descriptor.complain(
          clients > 0
            ? "\(name) ends after \(Amount.count(clients, "command")) that still \(clients == 1 ? "uses" : "use") it (--now ends it at once)"
            : "\(name): the background process \(relay.process) has not ended")
        hasFailed = hasFailed || now
      }
    } catch {
      throw Failure(error)
    }
    if hasFailed { throw ExitCode(EXIT_FAILURE) }
    if let address, found == 0 {
      Descriptor.complain("there is no connection to \(address)")
      throw ExitCode(EXIT_FAILURE)
    }
  }
}
