/// Detects whether a connection's windows are too small for its latency. It counts the bytes that
/// arrive while a PING is unanswered. From that rate and the shortest round trip of any PING it
/// computes how many bytes a sender can have in flight. If that is most of a window, it doubles the
/// windows.
///
/// It uses the shortest round trip because a PING also waits in line after data: a busy peer nearby
/// would otherwise look distant, and the windows would grow without need and waste cache.
public struct WindowProbe: Sendable {
  /// The number in the PINGs of a probe. Keep-alive PINGs have 0.
  public static let number: UInt64 = .max

  /// The longest distance between two PINGs, in half windows. Each PING that finds the window large
  /// enough doubles the distance to the next.
  static let longestPause: UInt64 = 64

  /// The current window of a channel, in bytes.
  public private(set) var window: UInt64
  private let maxWindow: UInt64
  /// When the unanswered PING was sent, in nanoseconds; nil if there is none.
  private var sentAt: UInt64?
  /// The shortest round trip so far, in nanoseconds.
  private var shortest: UInt64 = .max
  /// The bytes that arrived since the last PING or its answer.
  private var arrived: UInt64 = 0
  /// The number of half windows from the last answer to the next PING.
  private var pause: UInt64 = 1

  /// A probe for channels whose window starts at `window` bytes and may grow to `maxWindow`.
  public init(window: UInt64, maxWindow: UInt64) {
    self.window = window
    self.maxWindow = maxWindow
  }

  /// Counts `count` bytes of DATA that arrived. `now` is the time in nanoseconds of any steady
  /// clock; it is evaluated only if a PING is due.
  ///
  /// - Returns: whether to send a PING.
  public mutating func didReceive(_ count: Int, at now: @autoclosure () -> UInt64) -> Bool {
    guard window < maxWindow else { return false }
    arrived += UInt64(count)
    guard sentAt == nil, arrived >= window / 2 * pause else { return false }
    sentAt = now()
    arrived = 0
    return true
  }

  /// The answer to the PING arrived at `now` nanoseconds.
  ///
  /// - Returns: the new window in bytes if it grows; else nil.
  public mutating func didReceiveAnswer(at now: UInt64) -> UInt64? {
    guard let sentAt else { return nil }
    self.sentAt = nil
    let time = max(1, now > sentAt ? now - sentAt : 0)
    shortest = min(shortest, time)
    defer { arrived = 0 }
    let underWay = Double(arrived) * Double(shortest) / Double(time)
    guard underWay >= Double(window / 3 * 2) else {
      pause = min(pause * 2, Self.longestPause)
      return nil
    }
    pause = 1
    window = min(window * 2, maxWindow)
    return window
  }
}
