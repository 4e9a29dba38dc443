public import TelpherWire

/// A type that can be given as a path: `String` for UTF-8, or `PathText` for any bytes.
public protocol PathRepresentable: Sendable {
  /// The path's bytes.
  var pathText: PathText { get }
}

extension String: PathRepresentable {
  /// The text's UTF-8 bytes.
  public var pathText: PathText { PathText(self) }
}

extension PathText: PathRepresentable {
  /// The path itself.
  public var pathText: PathText { self }
}
