public import TelpherWire

extension Connection {
  /// Lists the commands that run on the server, also those of other clients and on other loops, in
  /// the order of their starts. What they use was measured at one moment after this call.
  ///
  ///     for command in try await connection.runningCommands() where command.memory > 1 << 30 {
  ///       try await connection.kill(command.id)
  ///     }
  ///
  /// - Throws: `ClientError`: `refused` by a server that is older, is ending or is too busy.
  public func runningCommands() async throws -> [CommandInfo] {
    try await commands(jobs: nil) + commands(jobs: true)
  }

  private func commands(jobs: Bool?) async throws -> [CommandInfo] {
    var commands: [CommandInfo] = []
    var more = true
    while more {
      let request = CommandsRequest(.list, after: commands.last?.id, jobs: jobs)
      let result: CloseResult
      do {
        result = try await session.answer(to: .commands(request))
      } catch let error as ClientError where jobs == true && error.code == .refused {
        // An older server, which does not list them, or no process that keeps jobs can be reached.
        return []
      }
      let records = result.commands ?? []
      // An answer without progress would repeat for ever.
      more = result.more == true && !records.isEmpty
      commands += records.map(CommandInfo.init)
    }
    return commands
  }

  /// Ends a running command with all its processes, or sends them a signal, whichever client started
  /// it.
  ///
  ///     try await connection.kill("17")
  ///     try await connection.kill("18", signal: SIGHUP)
  ///
  /// - Parameters:
  ///   - id: the command's `CommandInfo.id`, or the `Command.job` of its client.
  ///   - number: the signal's number on the server's system, 1 to 64. If nil, the command is
  ///     canceled: SIGTERM, then SIGKILL after its grace. This method does not wait for that.
  /// - Throws: `ClientError`: `refused` if no such command runs.
  public func kill(_ id: String, signal number: Int32? = nil) async throws {
    _ = try await session.answer(
      to: .commands(CommandsRequest(.kill, job: id, signal: number)))
  }
}

/// A command that runs on a server: an entry of `Connection.runningCommands()`.
public struct CommandInfo: Sendable, Equatable {
  /// What a command does at the moment. Later servers may report other states.
  public struct State: Sendable, Hashable, CustomStringConvertible {
    /// The state's name, as `telpher ps` prints it.
    public let description: String

    init(_ state: CommandRecord.State) { description = state.description }

    /// It waits for its launch.
    public static let starting = State(.starting)
    /// It runs.
    public static let running = State(.running)
    /// It has exited, and the server still reads its output.
    public static let draining = State(.draining)
    /// The server is ending it.
    public static let ending = State(.ending)
  }

  /// Its id: the `Command.job` that its client chose, or a number that the server gave it.
  public var id: String { record.id }
  /// The client that started it, in words.
  public var client: String { record.client }
  /// Its process id; nil before it has started.
  public var pid: Int32? { record.pid }
  /// What it does at the moment.
  public var state: State { State(record.state) }
  /// The time since it was requested.
  public var age: Duration { .milliseconds(Int64(clamping: record.ageMS)) }
  /// The processor time of its processes and of the children that they waited for.
  public var cpuTime: Duration { .milliseconds(record.cpuMS) }
  /// The resident memory of its processes in bytes. Memory that several of them share counts for
  /// each.
  public var memory: UInt64 { record.memoryBytes }
  /// How many processes it has.
  public var processes: Int { record.processes }
  /// The program and its arguments, at most some hundred bytes of them.
  public var arguments: [ByteText] { record.argv }
  /// Whether `arguments` are only the beginning.
  public var areArgumentsCut: Bool { record.isCut == true }

  /// What the server has sent.
  package let record: CommandRecord

  init(_ record: CommandRecord) { self.record = record }
}
