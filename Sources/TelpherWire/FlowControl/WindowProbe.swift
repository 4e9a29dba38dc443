/// Finds out whether a connection's windows are too small for its distance: it counts what arrives
/// while a PING is under way. From that rate, and the shortest time that any PING took, follows what
/// a sender can have under way; where that is most of a window, the windows are doubled.
///
/// The shortest time, because a PING also waits behind data: a busy peer at no distance would
/// otherwise look like a far one, and memory would grow that only gets cold in the caches.
public struct WindowProbe: Sendable {
  /// The number of the PINGs that probe; those that ask for life signs have 0.
  public static let number: UInt64 = .max

  /// Half windows between two PINGs, at most. Each PING that finds the window large enough doubles
  /// the distance to the next.
  static let longestPause: UInt64 = 64

  /// The credit of a channel at present, in bytes.
  public private(set) var window: UInt64
  private let maxWindow: UInt64
  /// When the PING under way was sent, in nanoseconds; nil where none is.
  private var sentAt: UInt64?
  /// The shortest time to an answer, in nanoseconds.
  private var shortest: UInt64 = .max
  /// Bytes that arrived since the last PING, or its answer.
  private var arrived: UInt64 = 0
  /// Half windows from the last answer to the next PING.
  private var pause: UInt64 = 1

  /// A probe for channels that begin with `window` bytes of credit and may come to have `maxWindow`.
  public init(window: UInt64, maxWindow: UInt64) {
    self.window = window
    self.maxWindow = maxWindow
  }

  /// Bytes of DATA arrived; `now` is in nanoseconds of any steady clock, and is asked for only where
  /// a PING is to be sent.
  ///
  /// - Returns: whether a PING is to be sent.
  public mutating func didReceive(_ count: Int, at now: @autoclosure () -> UInt64) -> Bool {
    guard window < maxWindow else { return false }
    arrived += UInt64(count)
    guard sentAt == nil, arrived >= window / 2 * pause else { return false }
    sentAt = now()
    arrived = 0
    return true
  }

  /// The PING was answered, at `now` nanoseconds.
  ///
  /// - Returns: the new window, where it grows.
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
