/// A running command in the answer to `ps`.
package struct CommandRecord: Sendable, Equatable, Codable {
  /// What a command does at the moment. Peers may send states that are not listed here.
  package struct State: WireWord {
    /// The state's name on the wire.
    package let description: String
    /// The state with that name.
    package init(_ word: String) { description = word }

    /// It waits for its launch.
    package static let starting = State("starting")
    /// It runs.
    package static let running = State("running")
    /// It has exited, and the server still reads its output.
    package static let draining = State("draining")
    /// The server is ending it.
    package static let ending = State("ending")
  }

  /// Its id, for `kill`: the client's `job`, or a number that the server has given it.
  package var id: String
  /// The client that started it, in words for the user.
  package var client: String
  /// Its process id; nil before it has started.
  package var pid: Int32?
  /// What it does at the moment.
  package var state: State
  /// The time since it was requested, in milliseconds.
  package var ageMS: UInt64
  /// The processor time of its processes and of the children they waited for, in milliseconds.
  package var cpuMS: Double
  /// The resident memory of its processes in bytes.
  package var memoryBytes: UInt64
  /// How many processes it has.
  package var processes: Int
  /// The program and its arguments, or as much of them as fits.
  package var argv: [ByteText]
  /// Whether `argv` is only the beginning.
  package var isCut: Bool?

  /// A command.
  package init(
    id: String, client: String, pid: Int32?, state: State, ageMS: UInt64, cpuMS: Double,
    memoryBytes: UInt64, processes: Int, argv: [ByteText], isCut: Bool?
  ) {
    self.id = id
    self.client = client
    self.pid = pid
    self.state = state
    self.ageMS = ageMS
    self.cpuMS = cpuMS
    self.memoryBytes = memoryBytes
    self.processes = processes
    self.argv = argv
    self.isCut = isCut
  }

  enum CodingKeys: String, CodingKey {
    case id, client, pid, state, processes, argv
    case ageMS = "age_ms"
    case cpuMS = "cpu_ms"
    case memoryBytes = "memory_bytes"
    case isCut = "cut"
  }

  /// The length of the record as JSON in bytes.
  package var encodedLength: Int { JSONCoding.encode(self).count }
}
