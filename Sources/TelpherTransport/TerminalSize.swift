/// The size of a terminal in characters and in pixels. 0 means that it is unknown, as in the kernel
/// (ioctl_tty(2)).
public struct TerminalSize: Sendable, Hashable {
  /// Lines.
  public var rows: UInt16
  /// Characters of a line.
  public var columns: UInt16
  /// The width of the text area in pixels.
  public var pixelWidth: UInt16
  /// The height of the text area in pixels.
  public var pixelHeight: UInt16

  /// Creates a size.
  public init(rows: UInt16, columns: UInt16, pixelWidth: UInt16 = 0, pixelHeight: UInt16 = 0) {
    self.rows = rows
    self.columns = columns
    self.pixelWidth = pixelWidth
    self.pixelHeight = pixelHeight
  }
}
