internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// What a job's outputs and result go to, and what its input comes from: a client's stream. All
/// calls come on the job's loop.
protocol JobOutlet: AnyObject {
  /// The job attached to this outlet while it was running already.
  ///
  /// - Parameter offsets: for each output, the offset of the first byte that the outlet gets.
  func jobDidAttach(at offsets: [String: UInt64])

  /// Opens an output. Called once for each channel, before any output of it.
  func open(_ channel: Channel) -> any OutputSink

  /// The command took `count` bytes of the outlet's input; the client may send as many again.
  ///
  /// - Parameter total: the bytes that the command has taken from all outlets.
  func jobDidTakeInput(_ count: Int, total: UInt64)

  /// The command takes no more input.
  func jobDidEndInput()

  /// The job has left this outlet. This is the last call, and it comes once for each outlet that
  /// was attached.
  func jobDidLeave(_ reason: JobLeave)
}

/// Why a job left its outlet.
enum JobLeave {
  /// The job has finished with this result.
  case finished(CloseResult)
  /// Another outlet attached to the job.
  case replaced
  /// The outlet detached, and the job continues without it.
  case detached
}

/// Takes one output of a job, piece by piece. A producer stops when `send` returns false and
/// continues at `onReady`. `OutboundChannel` documents each member.
protocol OutputSink: AnyObject {
  var sentBytes: UInt64 { get }
  var credit: Int { get }
  func awaitCredit() -> Int
  var onReady: (() -> Void)? { get set }
  var onFinished: (() -> Void)? { get set }
  func send(_ chunk: Chunk) -> Bool
  func finish()
  func takeBack() -> Chunk?
}

extension OutboundChannel: OutputSink {}
