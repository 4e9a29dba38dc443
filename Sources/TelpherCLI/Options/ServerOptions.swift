internal import ArgumentParser
internal import TelpherClient

/// The options that say which server to use and how to connect to it.
struct ServerOptions: ParsableArguments {
  private static let carriers = """
    ssh://[USER@]HOST[:PORT], docker://CONTAINER, podman://CONTAINER, \
    kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER], exec:COMMAND ...
    """

  @Option(
    name: .customLong("on"),
    help: ArgumentHelp(
      "The server: the name of a host, unix:PATH, tcp:HOST:PORT, vsock:CID:PORT, tls://[USER@]HOST[:PORT], hub+ADDRESS/NAME, \(Self.carriers)",
      discussion: """
        Default: $TELPHER_ON, else your own 'telpher serve' on this machine. A name is one of \
        your configuration (see 'telpher on --help') or one that ssh knows. The default port of tls \
        is 7722. hub+ADDRESS/NAME is the server with this name at the hub at ADDRESS ('telpher serve \
        --dial'). ssh, docker, podman and kubectl start the telpher that is on the PATH there. \
        COMMAND is a program and its arguments, whose standard input and output must reach a \
        'telpher serve --listen stdio'; quotes work as in a shell, other shell syntax does not. \
        kubectl://A/B/C means NAMESPACE/POD/CONTAINER; for a context without a container, write \
        kubectl://CONTEXT/NAMESPACE/POD/ with the slash at its end.
        """,
      valueName: "address"),
    completion: WordCompletion.server)
  var address: String?

  @OptionGroup var connection: ConnectionOptions

  /// The values of these options.
  var settings: ServerSettings { connection.settings(address: address) }

  func validate() throws {
    guard ArgumentText.isPlain(address ?? "") else {
      throw ValidationError("The value of --on must be UTF-8")
    }
  }
}

extension ServerOptions {
  /// These options with the server that paths of the form HOST:PATH name. All of `paths` are on the
  /// server.
  ///
  /// - Throws: `ValidationError` if the paths name several hosts, or if --on names a server too; if a
  ///   path begins with `~NAME`.
  func naming(_ paths: [PathArgument]) throws -> ServerOptions {
    for path in paths { try path.requireNoOtherHome() }
    guard let first = paths.first(where: { $0.host != nil }), let host = first.host else {
      return self
    }
    if let address {
      throw ValidationError(
        "'\(first)' names the host \(host), but --on names \(address): give only one of them; \(first.advice)"
      )
    }
    if let other = paths.first(where: { $0.host != host }) {
      throw ValidationError(
        other.host == nil
          ? "'\(first)' is on \(host), and '\(other)' names no host: if both are there, write '\(host):\(other)'"
          : "'\(first)' and '\(other)' are on different hosts, and telpher works on one at a time")
    }
    var options = self
    options.address = host
    return options
  }
}
