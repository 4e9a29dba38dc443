import Glibc
import Testing

/// Interactive programs on a terminal of the server, as a terminal emulator shows them:
/// Tests/terminal/programs.py. Without python3, pyte or the program, a test is skipped.
@Suite(.timeLimit(.minutes(10))) struct InteractiveProgramTests {
  @Test(
    .enabled(if: Self.hasEmulator, "python3 with pyte is not installed (pip install pyte)"),
    arguments: ["vim", "top", "less", "shell"].filter(Self.isInstalled))
  func theProgramWorksAsOnItsOwnTerminal(_ program: String) async throws {
    let sandbox = try Sandbox()
    let child = try Child(
      ["python3", "-B", Self.script, Sandbox.program, program],
      environment: sandbox.environment.merging(Self.python) { $1 })
    let finished = await child.finish()
    #expect(finished.status == 0, "\(finished.text)\(finished.errorText)")
  }

  /// The variables that python3 needs to find pyte: the user's, not those of the sandbox.
  private static var python: [String: String] {
    var variables: [String: String] = [:]
    for name in ["PATH", "PYTHONPATH", "PYTHONUSERBASE", "VIRTUAL_ENV"] {
      if let value = getenv(name) { variables[name] = String(cString: value) }
    }
    return variables
  }

  private static let hasEmulator = works("python3 -c 'import pyte'")

  private static func isInstalled(_ program: String) -> Bool {
    works("command -v \(program == "shell" ? "bash" : program)")
  }

  private static func works(_ line: String) -> Bool {
    system("\(line) >/dev/null 2>&1") == 0
  }

  private static let script =
    #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    + "/terminal/programs.py"
}
