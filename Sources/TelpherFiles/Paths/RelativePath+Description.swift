internal import TelpherWire

extension RelativePath: CustomStringConvertible {
  /// The path for a person: `.` for the root, if it was not written as `/`; else escaped as `PathText`
  /// is.
  public var description: String { written.isEmpty ? "." : PathText(written).description }
}
