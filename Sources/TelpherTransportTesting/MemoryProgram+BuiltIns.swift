internal import Glibc
internal import TelpherTransport

extension MemoryProgram {
  /// The programs that every network has, each a small likeness of the real one.
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

  /// `echo [WORD...]`: writes the words with a space between, and a newline.
  static let echo = MemoryProgram { process in
    process.print(process.arguments.dropFirst().joined(separator: " ") + "\n")
    process.exit(0)
  }

  /// `cat`: writes what it reads, and no faster than it gets rid of it.
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

  /// `env`: writes the environment, a NAME=VALUE line each, in the order of the names.
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
    // Capped at a year, so that any number can be counted in nanoseconds.
    let nanoseconds = UInt64(min(seconds, 31_536_000) * 1e9)
    _ = process.loop.schedule(after: nanoseconds) { [weak process] in process?.exit(0) }
  }

  /// `yes [WORD]`: writes a line over and over until nobody reads it any more.
  static let yes = MemoryProgram { process in
    let line = (process.arguments.dropFirst().first ?? "y") + "\n"
    let block = Chunk(String(repeating: line, count: max(1, 4096 / line.utf8.count)))
    // One block a round: where nothing pushes back (/dev/null), the loop still gets its turn.
    func fill() {
      guard process.isRunning, process.output.write(block) else { return }
      _ = process.loop.schedule(after: 0, fill)
    }
    process.output.onWritable = fill
    process.output.onWriteFailure = { _ in process.die(by: SIGPIPE) }
    fill()
  }
}
