/// A machine as vsock(7) numbers it: the context identifier (CID) of a virtual machine, or of its
/// host.
public struct VsockMachine: RawRepresentable, Sendable, Hashable {
  /// The number.
  public let rawValue: UInt32

  /// The machine with this number.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// For a listener: whatever number this machine has.
  public static let any = VsockMachine(rawValue: .max)
  /// This machine.
  public static let local = VsockMachine(rawValue: 1)
  /// The host of a virtual machine.
  public static let host = VsockMachine(rawValue: 2)
}

extension VsockMachine: CustomStringConvertible {
  /// `any`, `local`, `host`, or the number.
  public var description: String {
    switch self {
    case .any: "any"
    case .local: "local"
    case .host: "host"
    default: "\(rawValue)"
    }
  }

  /// Reads what `description` writes; nil if `text` is nothing of it.
  init?(_ text: Substring) {
    switch text {
    case "any": self = .any
    case "local": self = .local
    case "host": self = .host
    default:
      guard let number = UInt32(text) else { return nil }
      self.init(rawValue: number)
    }
  }
}
