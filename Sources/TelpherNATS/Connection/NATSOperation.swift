internal import TelpherTransport

/// Something that a task waits for: room to send, then one or more answers. Use it only on its loop's
/// thread.
final class NATSOperation {
  /// What an answer means.
  enum Step {
    /// More follow. The limit of time, if one is given, begins again: in nanoseconds.
    case more(within: UInt64?)
    /// It is over.
    case done(Result<[NATSMessage], NATSError>)
  }

  /// How it gets its answers.
  enum Answers {
    /// None, and nothing is sent: it is done when there is a connection.
    case connection
    /// None: it is done when it is sent.
    case none
    /// One, at the inbox that all requests share.
    case shared
    /// At a subscription of its own. If the operation ends before its last answer has come, that answer
    /// goes to `late` for `linger` nanoseconds.
    case own(linger: UInt64, late: (NATSMessage) -> Void)
  }

  private enum Stage {
    /// For a connection, and for room to send. Next: `sent`, `over`.
    case waiting
    /// For answers, perhaps at a subscription. Next: `over`.
    case sent(subscription: UInt64?)
    /// The completion was called. Final.
    case over
  }

  /// What is sent: a subject, headers and a payload.
  struct Request {
    var subject: NATSSubject
    var reply: NATSSubject?
    var headers = NATSHeaders()
    var payload: [UInt8]
  }

  let id: UInt64
  let request: Request
  let answers: Answers
  private let receive: (NATSMessage) -> Step
  private let completion: (Result<[NATSMessage], NATSError>) -> Void
  private var stage = Stage.waiting
  private var timer: (any LoopTimer)?

  init(
    id: UInt64, _ request: Request, answers: Answers,
    receive: @escaping (NATSMessage) -> Step = { .done(.success([$0])) },
    completion: @escaping (Result<[NATSMessage], NATSError>) -> Void
  ) {
    self.id = id
    self.request = request
    self.answers = answers
    self.receive = receive
    self.completion = completion
  }

  /// Whether it was not sent yet.
  var isWaiting: Bool { if case .waiting = stage { true } else { false } }

  /// The subscription that is only for it.
  var subscription: UInt64? { if case .sent(let id) = stage { id } else { nil } }

  /// It was sent.
  func didSend(subscription: UInt64?) { stage = .sent(subscription: subscription) }

  /// Limits the time for the next answer, or for room.
  func setTimer(_ timer: any LoopTimer) {
    self.timer?.cancel()
    self.timer = timer
  }

  /// Handles an answer.
  func didReceive(_ message: NATSMessage) -> Step { receive(message) }

  /// Ends it. Does nothing if it is over.
  func finish(_ result: Result<[NATSMessage], NATSError>) {
    if case .over = stage { return }
    stage = .over
    timer?.cancel()
    timer = nil
    completion(result)
  }
}
