import Glibc
import TelpherTestSupport

/// Running the program as a user who may do little, which takes root.
enum OtherUser {
  /// Runs the rest of a command line as a user that nobody else is, so that a limit of processes
  /// counts those of one test alone.
  static func wrapper() -> [String] {
    let uid = Int.random(in: 2_000_000_000..<2_100_000_000)
    return ["setpriv", "--reuid=\(uid)", "--regid=\(uid)", "--clear-groups", "--"]
  }

  /// A copy of the program of `backend` that every user can execute, in a folder of its own. Kept
  /// while the tests run.
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

  /// Whether the program can be run so: by root, and with its libraries where others may read.
  static let isPossible: Bool = {
    guard geteuid() == 0, let program = try? program(of: .uv) else { return false }
    return LocalShell.run(wrapper() + [program, "--help"], environment: ["PATH=/usr/bin:/bin"])
      == .exited(0)
  }()
}
