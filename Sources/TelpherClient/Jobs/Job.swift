public import TelpherTransport
internal import TelpherWire

/// A durable job of a server: a command that goes on whatever happens to clients, connections and
/// servers. Its output and its result are kept on disk until the job is forgotten.
///
///     let job = try await connection.startJob(Command("make"), name: "build")
///     for try await chunk in job.output() { print(String(decoding: [UInt8](chunk), as: UTF8.self)) }
///     print(try await job.wait())
///     try await job.forget()
public struct Job: Sendable {
  /// Its id: 32 hexadecimal digits; or what `Connection.job(_:)` was given.
  public let id: String
  let connection: Connection

  /// Waits until the job has ended.
  ///
  /// - Throws: `ClientError`: `refused` if there is no such job; `lost` if its end was not seen,
  ///   because the machine has restarted or the process that kept the job was killed, or if the
  ///   connection was lost.
  public func wait() async throws -> CommandResult { try await connection.waitForJob(id) }

  /// Sends a signal to all processes of the job, by its number on the server's system. Without one,
  /// ends the job: SIGTERM, then SIGKILL after the command's grace. Does not wait for that.
  ///
  /// - Throws: `ClientError`: `refused` if there is no such job, or if it has ended.
  public func kill(signal number: Int32? = nil) async throws {
    try await connection.kill(id, signal: number)
  }

  /// Removes the job, which has ended, with its output.
  ///
  /// - Throws: `ClientError`: `refused` if there is no such job, or if it has not ended.
  public func forget() async throws { try await connection.forgetJob(id) }

  /// Its standard output as a sequence of chunks: what was kept, and then what comes, until the job
  /// ends. Any number of tasks and clients may read it; a slow one delays neither the job nor others.
  ///
  /// - Parameter offset: the first byte, counted from 0.
  public func output(from offset: UInt64 = 0) -> JobOutput {
    JobOutput(job: self, channel: .stdout, offset: offset)
  }

  /// Its standard error, as `output(from:)`.
  public func error(from offset: UInt64 = 0) -> JobOutput {
    JobOutput(job: self, channel: .stderr, offset: offset)
  }
}

/// One output of a durable job, as a sequence of chunks.
///
/// Iterating throws `ClientError`: `refused` if there is no such job; `lost` if the connection was
/// lost, if the job's end was not seen, or, at the end, if the journal has not kept all bytes. If the
/// sequence ends without an error, the output is complete.
public struct JobOutput: AsyncSequence, Sendable {
  public typealias Element = Chunk
  let job: Job
  let channel: Channel
  let offset: UInt64

  public func makeAsyncIterator() -> Iterator { Iterator(self) }

  /// Reads the chunks of an output.
  public struct Iterator: AsyncIteratorProtocol {
    private let output: JobOutput
    private var attachment: JobReading?

    init(_ output: JobOutput) { self.output = output }

    /// Returns the next chunk; nil at the end.
    ///
    /// - Throws: `ClientError`; see `JobOutput`.
    public mutating func next() async throws -> Chunk? {
      let connection = output.job.connection
      let attachment: JobReading
      if let current = self.attachment {
        attachment = current
      } else {
        var request = JobRequest(.attach, job: output.job.id)
        request.channels = [output.channel.rawValue]
        request.from = ["\(output.channel.rawValue)": output.offset]
        attachment = JobReading(
          try await connection.beginFollowing(.job(request), hasInput: false, { _ in }))
        self.attachment = attachment
      }
      let stream = attachment.command.stream
      if let chunk = try await connection.next(stream, output.channel) { return chunk }
      _ = try await attachment.command.result()
      let channel = output.channel
      let missing = await connection.with(stream) { $0.attachment?.missing(channel) ?? 0 }
      if let missing, missing > 0 {
        throw ClientError(.lost, "\(missing) bytes of the job's output were not kept")
      }
      return nil
    }
  }
}

/// A stream that is attached to a durable job. It is left when this object is freed.
final class JobReading: Sendable {
  let command: RunningCommand

  init(_ command: RunningCommand) { self.command = command }

  deinit {
    let (connection, stream) = (command.connection, command.stream)
    connection.loop.execute {
      connection.assumeIsolated { connection in
        _ = connection.with(stream) { $0.leave() }
        _ = connection.forget(stream)
      }
    }
  }
}

/// What a server says about a durable job: an entry of `Connection.jobs()`.
public struct JobInfo: Sendable, Equatable {
  /// The states of a job. Later servers may report other states.
  public struct State: Sendable, Hashable, CustomStringConvertible {
    /// The state's name, as `telpher jobs` prints it.
    public let description: String

    init(_ state: JobRecord.State) { description = state.description }

    /// The command is being started.
    public static let starting = State(.starting)
    /// The command runs.
    public static let running = State(.running)
    /// The command has ended, and its result is known.
    public static let finished = State(.finished)
    /// The command's end was not seen.
    public static let unknown = State(.unknown)
  }

  /// Its id.
  public var id: String { record.id }
  /// Its name; nil if it has none.
  public var name: String? { record.name }
  /// Its state.
  public var state: State { State(record.state) }
  /// The command's words, cut if they are long.
  public var arguments: [ByteText] { record.argv }
  /// When it was started, as the time since 1970.
  public var created: Duration { .milliseconds(record.createdMS) }
  /// How long it runs, or ran; nil if that is not known.
  public var runTime: Duration? { record.runMS.map { .milliseconds($0) } }
  /// Its process id while it runs.
  public var pid: Int32? { record.pid }
  /// The bytes of its standard output until now.
  public var outputCount: UInt64 { record.bytes?["1"] ?? 0 }
  /// The bytes of its standard error until now.
  public var errorCount: UInt64 { record.bytes?["2"] ?? 0 }

  /// What the server has sent.
  package let record: JobRecord

  init(_ record: JobRecord) { self.record = record }
}
