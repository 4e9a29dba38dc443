internal import TelpherClient
internal import TelpherTransport

/// Keys that are typed on a terminal, and the program's echo of each.
enum KeyLoad {
  /// A program that echoes each key by itself, as editors and shells do: without it the kernel would.
  static let program = "stty raw -echo && echo ready && exec cat"
  /// What the program prints once it echoes, without its line feed.
  static let greeting = "ready"
  /// The key: Enter, of which the program prints a line that is empty.
  private static let key: [UInt8] = [0x0a]

  /// Types a key `count` times, each after the echo of the last.
  ///
  /// - Returns: how many nanoseconds each echo took.
  /// - Throws: `ClientError`; `Failure` if the program prints anything else.
  static func run(count: Int, on connection: Connection) async throws -> [UInt64] {
    var command = Command("/bin/sh", "-c", program)
    command.terminal = TerminalSize(rows: 24, columns: 80)
    return try await connection.run(command, hasInput: true) { process in
      let output = process.output.makeAsyncIterator()
      var printed: [UInt8] = []
      while printed != Array("\(greeting)\n".utf8) {
        guard let chunk = try await output.next() else { throw Failure("the terminal has ended") }
        printed += Array(chunk)
      }
      var latencies: [UInt64] = []
      latencies.reserveCapacity(count)
      for _ in 0..<count {
        let begin = monotonicNow()
        try await process.input.write(Chunk(key))
        guard let echo = try await output.next(), Array(echo) == key else {
          throw Failure("the echo is another key")
        }
        latencies.append(monotonicNow() - begin)
      }
      await process.cancel()
      return latencies
    }.value
  }

  /// Types a key `count` times in `terminal`, a client whose standard streams are pipes.
  ///
  /// - Returns: how many nanoseconds each echo took.
  /// - Throws: `Failure` if the program prints anything else.
  static func run(count: Int, in terminal: Program) throws(Failure) -> [UInt64] {
    while let line = try terminal.readLine(), line != greeting {}
    var latencies: [UInt64] = []
    latencies.reserveCapacity(count)
    for _ in 0..<count {
      let begin = monotonicNow()
      try terminal.send(key)
      guard try terminal.readLine() == "" else { throw Failure("the echo is another key") }
      latencies.append(monotonicNow() - begin)
    }
    return latencies
  }
}
