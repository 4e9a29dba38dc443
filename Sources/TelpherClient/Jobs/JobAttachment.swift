internal import DequeModule
internal import TelpherTransport
internal import TelpherWire

/// What the client learns about a durable job besides its output: where the stream begins, what is
/// missing, when the output was read, and how much input the job has accepted. Use it only on the
/// loop's thread.
final class JobAttachment {
  /// The bytes that the journal does not have, in the order of the output.
  private(set) var gaps: [JobMark.Gap] = []
  /// The offset of the first byte of each output on this stream and, as `0`, of the next byte of
  /// input; nil until the server has attached the stream.
  private(set) var offsets: [String: UInt64]?
  /// Called for each gap.
  var didFindGap: ((JobMark.Gap) -> Void)?
  /// Called with the number of bytes of input that the job has accepted since its start.
  var didAcceptInput: ((UInt64) -> Void)?

  /// Whether to keep the times of the output; they must be read then.
  private let keepsTimes: Bool
  private var marks = JobMarkReader()
  /// The times of both outputs, in the order in which the job wrote.
  private var times: Deque<JobMark.Time> = []
  private var timeWaiter: CheckedContinuation<JobMark.Time?, Never>?
  private var openWaiters: [CheckedContinuation<[String: UInt64]?, Never>] = []
  private var hasEnded = false

  init(keepsTimes: Bool) { self.keepsTimes = keepsTimes }

  /// Adds what arrived on channel 5.
  ///
  /// - Throws: `WireError` if it is not what a server says about a job's output.
  func receive(_ chunk: Chunk) throws(WireError) {
    for mark in try marks.read(chunk) {
      switch mark {
      case .gap(let gap):
        gaps.append(gap)
        didFindGap?(gap)
      case .time(let time):
        guard keepsTimes else { continue }
        if let waiter = timeWaiter.take() {
          waiter.resume(returning: time)
        } else {
          times.append(time)
        }
      }
    }
  }

  /// The stream is attached.
  func open(at offsets: [String: UInt64]) {
    self.offsets = offsets
    wakeOpenWaiters()
  }

  /// Nothing more arrives.
  func end() {
    hasEnded = true
    wakeOpenWaiters()
    timeWaiter.take()?.resume(returning: nil)
  }

  /// The number of missing bytes of a channel. The numbers come from the server, so the sum may
  /// overflow; it is only compared.
  func missing(_ channel: Channel) -> UInt64 {
    gaps.lazy.filter { $0.channel == channel.rawValue }.map(\.bytes).reduce(0, &+)
  }

  /// Waits until the stream is attached; nil if it ends before.
  func opened() async -> [String: UInt64]? {
    if let offsets { return offsets }
    return await withCheckedContinuation { continuation in
      // Check again: see `StreamOutcome`.
      if offsets != nil || hasEnded {
        continuation.resume(returning: offsets)
      } else {
        openWaiters.append(continuation)
      }
    }
  }

  /// The time of the next bytes of either output, in the order in which the job wrote them; nil if the
  /// stream ends before one arrives. Only one task may ask.
  func nextTime() async -> JobMark.Time? {
    if let time = times.popFirst() { return time }
    return await withCheckedContinuation { continuation in
      if let time = times.popFirst() {
        continuation.resume(returning: time)
      } else if hasEnded {
        continuation.resume(returning: nil)
      } else {
        timeWaiter = continuation
      }
    }
  }

  private func wakeOpenWaiters() {
    let waiting = openWaiters
    openWaiters = []
    for waiter in waiting { waiter.resume(returning: offsets) }
  }
}
