internal import TelpherWire

extension RelativePath: CustomStringConvertible {
  /// The path for a person: `.` for the root; else escaped as `PathText` is.
  public var description: String { isRoot ? "." : PathText(bytes).description }
}
