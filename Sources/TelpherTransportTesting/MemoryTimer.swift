internal import TelpherTransport

/// A timer of a `MemoryLoop`.
final class MemoryTimer: LoopTimer {
  /// When it fires, in nanoseconds of the loop's clock. Among timers of the same instant,
  /// `sequence` decides.
  let deadline: UInt64
  let sequence: UInt64
  private unowned let loop: MemoryLoop
  private var body: (() -> Void)?

  init(deadline: UInt64, sequence: UInt64, loop: MemoryLoop, body: @escaping () -> Void) {
    self.deadline = deadline
    self.sequence = sequence
    self.loop = loop
    self.body = body
  }

  func cancel() {
    guard body != nil else { return }
    body = nil
    loop.remove(self)
  }

  func fire() {
    let body = body
    self.body = nil
    body?()
  }

  /// Releases the closure. The timer must not be in a queue.
  func drop() {
    body = nil
  }

  func precedes(_ other: MemoryTimer) -> Bool {
    (deadline, sequence) < (other.deadline, other.sequence)
  }
}

/// Timers, sorted by deadline. An array is enough, since tests have few timers.
struct MemoryTimerQueue {
  private var timers: [MemoryTimer] = []
  private var lastSequence: UInt64 = 0

  /// The deadline of the next timer; nil if there is none.
  var deadline: UInt64? { timers.first?.deadline }

  mutating func add(
    deadline: UInt64, on loop: MemoryLoop, _ body: @escaping () -> Void
  ) -> MemoryTimer {
    lastSequence += 1
    let timer = MemoryTimer(deadline: deadline, sequence: lastSequence, loop: loop, body: body)
    let index = timers.firstIndex { timer.precedes($0) } ?? timers.endIndex
    timers.insert(timer, at: index)
    return timer
  }

  mutating func remove(_ timer: MemoryTimer) {
    timers.removeAll { $0 === timer }
  }

  mutating func removeFirst(dueAt now: UInt64) -> MemoryTimer? {
    guard let first = timers.first, first.deadline <= now else { return nil }
    return timers.removeFirst()
  }

  mutating func removeAll() {
    for timer in timers { timer.drop() }
    timers = []
  }
}
