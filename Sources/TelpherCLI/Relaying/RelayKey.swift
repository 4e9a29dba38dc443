internal import Glibc
internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherTransport

/// What decides whether a command may use a relay: it leads to the same server as a connection of
/// the command's own would.
struct RelayKey {
  /// The variables that decide where an address leads and who logs in there, by their beginnings.
  /// The paths of programs and of their configuration are among them, and what the login programs of
  /// clouds read.
  private static let variables = [
    "PATH", "HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "KRB5", "DOCKER_", "CONTAINER", "KUBE",
    "AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_",
  ]

  /// Variables that differ between the shells of a user and lead to no other server.
  private static let irrelevant: Set = ["PWD", "OLDPWD", "SHLVL", "_"]

  /// A name for the key, fit for a file: 16 hexadecimal digits.
  let name: String

  /// - Parameters:
  ///   - address: the server's address, as `Endpoint` describes it.
  ///   - token: the server's token, if one is needed.
  ///   - tls: what decides about the connection if it has TLS.
  ///   - directory: the working directory.
  ///   - attributes: `ProcessAttributes.current`.
  init(
    address: String, token: Token?, tls: [String] = [], environment: [SystemString: SystemString],
    directory: @autoclosure () -> SystemString, attributes: [String]
  ) {
    var parts = ([address, token?.hexadecimal ?? ""] + tls + attributes).map { Array($0.utf8) }
    // Any variable may matter to a command of the user.
    let isCommand = address.hasPrefix("exec:")
    let names = environment.keys.filter { name in
      let text = name.description
      return isCommand
        ? !Self.irrelevant.contains(text) : Self.variables.contains(where: text.hasPrefix)
    }
    for name in names.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
      parts.append(name.bytes + [UInt8(ascii: "=")] + (environment[name]?.bytes ?? []))
    }
    // Relative paths of commands and of variables such as KUBECONFIG start in this directory.
    if !address.hasPrefix("tcp:"), !address.hasPrefix("tls:"),
      !address.hasPrefix("ssh:") || Self.hasRelativeIdentity(address)
    {
      parts.append(directory().bytes)
    }
    if !isCommand {
      for file in Self.configuration(of: address, environment) {
        parts.append(file.bytes + [UInt8(ascii: " ")] + Array(Self.version(of: file).utf8))
      }
    }
    name = Self.digest(parts, digits: 16)
  }

  /// Whether a file with a private key belongs to the address, by a path that starts in the working
  /// directory.
  private static func hasRelativeIdentity(_ address: String) -> Bool {
    guard let range = address.firstRange(of: "identity=") else { return false }
    return !address[range.upperBound...].hasPrefix("/")
  }

  /// The files whose content decides where an address leads: a new context of kubectl or docker, or
  /// another host for a name in ssh's configuration, needs another connection.
  private static func configuration(
    of address: String, _ environment: [SystemString: SystemString]
  ) -> [SystemString] {
    func path(_ folder: String, _ fallback: String, _ rest: String) -> SystemString {
      let home = (environment["HOME"]?.bytes ?? []) + Array(fallback.utf8)
      return SystemString((environment[SystemString(folder)]?.bytes ?? home) + Array(rest.utf8))
    }
    switch address.prefix(while: { $0 != ":" }) {
    case "ssh": return [path("HOME", "", "/.ssh/config")]
    case "docker": return [path("DOCKER_CONFIG", "/.docker", "/config.json")]
    case "podman":
      return ["containers.conf", "podman-connections.json"].map {
        path("XDG_CONFIG_HOME", "/.config", "/containers/" + $0)
      }
    case "kubectl":
      let paths = environment["KUBECONFIG"]?.bytes ?? []
      return paths.isEmpty
        ? [path("HOME", "", "/.kube/config")]
        : paths.split(separator: UInt8(ascii: ":")).map { SystemString(Array($0)) }
    default: return []
    }
  }

  /// What changes if a file is changed or replaced; empty if there is no such file.
  private static func version(of path: SystemString) -> String {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0 else { return "" }
    return
      "\(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
  }

  /// The version and the build of this program: relays of another build are not used.
  static let build: String = {
    let file = version(of: "/proc/self/exe")
    return file.isEmpty
      ? Program.version : "\(Program.version)-\(digest([Array(file.utf8)], digits: 8))"
  }()

  private static func digest(_ parts: [[UInt8]], digits: Int) -> String {
    var hasher = FileHasher(.sha256)
    for part in parts {
      // No part contains a NUL, so no other parts give the same bytes.
      (part + [0]).withUnsafeBytes { hasher.update($0) }
    }
    return String(hasher.digest.prefix(digits))
  }
}
