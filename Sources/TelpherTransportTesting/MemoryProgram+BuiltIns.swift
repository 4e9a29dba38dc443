internal import Glibc
internal import TelpherTransport

extension MemoryProgram {
  /// The programs that every network has: small imitations of the real ones.
  static let builtIns: [(String, MemoryProgram)] = [
    ("true", MemoryProgram { $0.exit(0) }),
    ("false", MemoryProgram { $0.exit(1) }),
    ("exit", exit),
    ("echo", echo),
    ("cat", cat),
    ("env", env),
    ("sleep", sleep),
    ("yes", yes),
  ]

  /// `exit [CODE]`: ends with that code.
  static let exit = MemoryProgram { process in
    process.exit(process.arguments.dropFirst().first.flatMap { Int32($0) } ?? 0)
  }

  /// `echo [WORD...]`: writes the words, separated by spaces, and a newline.
  static let echo = MemoryProgram { process in
    process.print(process.arguments.dropFirst().joined(separator: " ") + "\n")
    process.exit(0)
  }

  /// `cat`: copies its input to its output; pauses reading while the output is blocked.
  static let cat = MemoryProgram { process in
    let (input, output) = (process.input, process.output)
    input.onRead = { chunk in
      if !output.write(chunk) { input.pauseReading() }
    }
    output.onWritable = { input.resumeReading() }
    output.onWriteFailure = { _ in process.die(by: SIGPIPE) }
    input.onEnd = { _ in process.exit(0) }
    input.resumeReading()
  }

  /// `env`: writes the environment as NAME=VALUE lines, sorted by name.
  static let env = MemoryProgram { process in
    let lines = process.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
    process.print(lines.joined())
    process.exit(0)
  }

  /// `sleep SECONDS`: ends after that time.
  static let sleep = MemoryProgram { process in
    guard let seconds = process.arguments.dropFirst().first.flatMap({ Double($0) }), seconds >= 0
    else {
      process.printError("sleep: a number of seconds is needed\n")
      return process.exit(1)
    }
    // Limited to a year, so that the time in nanoseconds can't overflow.
    let nanoseconds = UInt64(min(seconds, 31_536_000) * 1e9)
    _ = process.loop.schedule(after: nanoseconds) { [weak process] in process?.exit(0) }
  }

  /// `yes [WORD]`: writes a line repeatedly until its output is closed.
  static let yes = MemoryProgram { process in
    let line = (process.arguments.dropFirst().first ?? "y") + "\n"
    let block = Chunk(String(repeating: line, count: max(1, 4096 / line.utf8.count)))
    // One block per round: with an output that never blocks (/dev/null), the loop can still do
    // other work.
    func fill() {
      guard process.isRunning, process.output.write(block) else { return }
      _ = process.loop.schedule(after: 0, fill)
    }
    process.output.onWritable = fill
    process.output.onWriteFailure = { _ in process.die(by: SIGPIPE) }
    fill()
  }
}
