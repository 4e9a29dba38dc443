/// Finds out whether a connection's windows are too small for its distance: it counts what arrives
/// while a PING is under way. Where that is most of a window, the sender must have been waiting for
/// credit, and the windows are doubled. On a short way nothing grows.
public struct WindowProbe: Sendable {
  /// The number of the PINGs that probe; those that ask for life signs have 0.
  public static let number: UInt64 = .max

  /// The credit of a channel at present, in bytes.
  public private(set) var window: UInt64
  private let maxWindow: UInt64
  private var isUnderWay = false
  /// Bytes that arrived since the last PING, or its answer.
  private var arrived: UInt64 = 0

  /// A probe for channels that begin with `window` bytes of credit and may come to have `maxWindow`.
  public init(window: UInt64, maxWindow: UInt64) {
    self.window = window
    self.maxWindow = maxWindow
  }

  /// Bytes of DATA arrived.
  ///
  /// - Returns: whether a PING is to be sent: once half a window has come since the last answer.
  public mutating func didReceive(_ count: Int) -> Bool {
    guard window < maxWindow else { return false }
    arrived += UInt64(count)
    guard !isUnderWay, arrived >= window / 2 else { return false }
    isUnderWay = true
    arrived = 0
    return true
  }

  /// The PING was answered.
  ///
  /// - Returns: the new window, where it grows.
  public mutating func didReceiveAnswer() -> UInt64? {
    guard isUnderWay else { return nil }
    isUnderWay = false
    defer { arrived = 0 }
    guard arrived >= window / 3 * 2 else { return nil }
    window = min(window * 2, maxWindow)
    return window
  }
}
