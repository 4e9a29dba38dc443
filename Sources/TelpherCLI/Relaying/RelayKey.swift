internal import Glibc
internal import TelpherAccess
internal import TelpherFileStore

/// What decides whether a command may use a relay: it leads to the same server as a connection of
/// the command's own would.
struct RelayKey {
  /// The variables that decide where an address leads and who logs in there. The paths of programs
  /// and of their configuration are among them.
  private static let variables = [
    "PATH", "HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "KRB5CCNAME", "DOCKER_HOST",
    "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINER_CONNECTION", "KUBECONFIG",
    "AWS_PROFILE",
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
      for name in Self.variables { parts.append(environment[name].map { "=\($0)" } ?? "") }
    }
    name = Self.digest(parts, digits: 16)
  }

  /// The version and the build of this program: relays of another build are not used.
  static let build: String = {
    var status = stat()
    guard stat("/proc/self/exe", &status) == 0 else { return Program.version }
    let file = [
      "\(status.st_dev)", "\(status.st_ino)", "\(status.st_size)",
      "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)",
    ]
    return "\(Program.version)-\(digest(file, digits: 8))"
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
