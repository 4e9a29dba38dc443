internal import Glibc
internal import TelpherAccess
internal import TelpherFileStore

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
  ///   - directory: the working directory.
  init(
    address: String, token: Token?, environment: [String: String],
    directory: @autoclosure () -> String
  ) {
    var parts = [address, token?.hexadecimal ?? ""]
    if address.hasPrefix("exec:") {
      // Any variable and the directory may matter to a command of the user.
      parts.append(directory())
      for name in environment.keys.sorted() where !Self.irrelevant.contains(name) {
        parts.append("\(name)=\(environment[name] ?? "")")
      }
    } else {
      for name in environment.keys.sorted() where Self.variables.contains(where: name.hasPrefix) {
        parts.append("\(name)=\(environment[name] ?? "")")
      }
      let files = Self.configuration(of: address, environment)
      // Relative paths of variables such as KUBECONFIG start in this directory.
      if !address.hasPrefix("ssh:") && !address.hasPrefix("tcp:") { parts.append(directory()) }
      for file in files { parts.append("\(file) \(Self.version(of: file))") }
    }
    name = Self.digest(parts, digits: 16)
  }

  /// The files whose content decides where an address leads: a new context of kubectl or docker, or
  /// another host for a name in ssh's configuration, needs another connection.
  private static func configuration(
    of address: String, _ environment: [String: String]
  ) -> [String] {
    let home = environment["HOME"] ?? ""
    switch address.prefix(while: { $0 != ":" }) {
    case "ssh": return [home + "/.ssh/config"]
    case "docker":
      return [(environment["DOCKER_CONFIG"] ?? home + "/.docker") + "/config.json"]
    case "podman":
      let folder = (environment["XDG_CONFIG_HOME"] ?? home + "/.config") + "/containers/"
      return [folder + "containers.conf", folder + "podman-connections.json"]
    case "kubectl":
      let paths = environment["KUBECONFIG"] ?? ""
      return paths.isEmpty
        ? [home + "/.kube/config"] : paths.split(separator: ":").map(String.init)
    default: return []
    }
  }

  /// What changes if a file is changed or replaced; empty if there is no such file.
  private static func version(of path: String) -> String {
    var status = stat()
    guard stat(path, &status) == 0 else { return "" }
    return
      "\(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
  }

  /// The version and the build of this program: relays of another build are not used.
  static let build: String = {
    let file = version(of: "/proc/self/exe")
    return file.isEmpty ? Program.version : "\(Program.version)-\(digest([file], digits: 8))"
  }()

  private static func digest(_ parts: [String], digits: Int) -> String {
    var hasher = FileHasher(.sha256)
    for part in parts {
      // No part contains a NUL, so no other parts give the same bytes.
      (Array(part.utf8) + [0]).withUnsafeBytes { hasher.update($0) }
    }
    return String(hasher.digest.prefix(digits))
  }
}
