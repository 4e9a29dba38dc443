import TelpherTransport
import TelpherTransportTesting

#if canImport(Glibc)
  import Glibc
#endif

/// The commands that the suite runs in children. Each backend has its own arguments for them.
enum Command: Sendable {
  /// Exits with a code.
  case exit(Int32)
  /// Copies its input to its output, until the end.
  case cat
  /// Writes one text to standard output, then one to standard error.
  case print(String, String)
  /// Writes the value of an environment variable.
  case variable(String)
  /// Runs until it is killed.
  case sleepForever
  /// Writes "ready", and exits with code 3 on SIGTERM.
  case handleTermination
  /// Writes "y" lines until its output is closed.
  case writeForever
  /// A program that does not exist.
  case missing

  var inMemory: [String] {
    switch self {
    case .exit(let code): ["exit", "\(code)"]
    case .cat: ["/bin/cat"]
    case .print(let output, let error): ["print", output, error]
    case .variable(let name): ["variable", name]
    case .sleepForever: ["sleep", "1000000"]
    case .handleTermination: ["handle-termination"]
    case .writeForever: ["yes"]
    case .missing: ["/no/such/program"]
    }
  }

  var inSystem: [String] {
    func shell(_ script: String, _ arguments: String...) -> [String] {
      ["/bin/sh", "-c", script, "sh"] + arguments
    }
    return switch self {
    case .exit(let code): shell("exit $1", "\(code)")
    case .cat: ["cat"]
    case .print(let output, let error):
      shell(#"printf %s "$1"; printf %s "$2" >&2"#, output, error)
    case .variable(let name): shell("printf %s \"$\(name)\"")
    case .sleepForever: ["sleep", "1000000"]
    case .handleTermination: shell("trap 'exit 3' TERM; echo ready; while :; do sleep 1; done")
    case .writeForever: ["yes"]
    case .missing: ["/no/such/program"]
    }
  }
}

/// Registers the commands for which the memory backend has no built-in program.
func registerTestPrograms(on network: MemoryNetwork) {
  network.register(
    "print",
    MemoryProgram { process in
      process.print(process.arguments[1])
      process.printError(process.arguments[2])
      process.exit(0)
    })
  network.register(
    "variable",
    MemoryProgram { process in
      process.print(process.environment[process.arguments[1]] ?? "")
      process.exit(0)
    })
  network.register(
    "handle-termination",
    MemoryProgram { process in
      process.onSignal = { [unowned process] signal in
        guard signal == SIGTERM else { return false }
        process.exit(3)
        return true
      }
      process.print("ready\n")
    })
}
