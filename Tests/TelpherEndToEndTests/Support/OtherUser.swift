import Glibc

/// Running the program as a user who may do little, which takes root.
enum OtherUser {
  /// Runs the rest of a command line as a user that nobody else is, so that a limit of processes
  /// counts those of one test alone.
  static func wrapper() -> [String] {
    let uid = Int.random(in: 2_000_000_000..<2_100_000_000)
    return ["setpriv", "--reuid=\(uid)", "--regid=\(uid)", "--clear-groups", "--"]
  }

  /// A copy of `telpher` that every user can execute, in a folder of its own. Kept while the tests
  /// run.
  static let program: Result<String, any Error> = Result {
    let folder = "/tmp/telpher-test-\(getpid())"
    mkdir(folder, 0o755)
    atexit { _ = LocalShell.run(["rm", "-rf", "/tmp/telpher-test-\(getpid())"], environment: []) }
    let path = "\(folder)/telpher"
    struct NotCopied: Error {}
    guard
      LocalShell.run(
        ["install", "-m", "755", LocalProgram.telpher, path],
        environment: ["PATH=/usr/bin:/bin"]) == .exited(0)
    else { throw NotCopied() }
    return path
  }

  /// Whether the program can be run so: by root, and with its libraries where others may read.
  static let isPossible: Bool = {
    guard geteuid() == 0, let program = try? program.get() else { return false }
    return LocalShell.run(wrapper() + [program, "--help"], environment: ["PATH=/usr/bin:/bin"])
      == .exited(0)
  }()
}
