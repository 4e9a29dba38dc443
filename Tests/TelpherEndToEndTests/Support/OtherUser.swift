import Glibc
import TelpherTestSupport

/// Runs the program as an unprivileged user, which needs root.
enum OtherUser {
  /// A command that runs its arguments as a user of its own, so that a limit of processes counts
  /// only those of one test.
  static func wrapper() -> [String] {
    let uid = Int.random(in: 2_000_000_000..<2_100_000_000)
    return ["setpriv", "--reuid=\(uid)", "--regid=\(uid)", "--clear-groups", "--"]
  }

  /// A copy of the program of `backend` that every user can execute, in a separate folder. It is
  /// kept while the tests run.
  static func program(of backend: SystemBackend) throws -> String {
    guard let program = programs[backend] else { throw NotCopied() }
    return program
  }

  private struct NotCopied: Error {}

  private static let programs: [SystemBackend: String] = {
    let folder = "/tmp/telpher-test-\(getpid())"
    mkdir(folder, 0o755)
    atexit { _ = LocalShell.run(["rm", "-rf", "/tmp/telpher-test-\(getpid())"], environment: []) }
    var programs: [SystemBackend: String] = [:]
    for backend in SystemBackend.all {
      let path = "\(folder)/\(backend.rawValue)"
      let ending = LocalShell.run(
        ["install", "-m", "755", backend.program, path], environment: ["PATH=/usr/bin:/bin"])
      if ending == .exited(0) { programs[backend] = path }
    }
    return programs
  }()

  /// Whether this is possible: the tests run as root, and other users can read the libraries.
  static let isPossible: Bool = {
    guard geteuid() == 0, let program = try? program(of: .uv) else { return false }
    return LocalShell.run(wrapper() + [program, "--help"], environment: ["PATH=/usr/bin:/bin"])
      == .exited(0)
  }()
}
