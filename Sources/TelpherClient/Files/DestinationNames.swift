internal import TelpherFileStore
internal import TelpherWire

/// The names that the sources of a transfer get at the destination. No two sources may get the same
/// name.
struct DestinationNames {
  private let destination: PathText
  private var sources: [[UInt8]: PathText] = [:]

  init(destination: PathText) { self.destination = destination }

  /// Adds the name that `source` gets.
  ///
  /// - Throws: `FileError` (`exists`) if another source gets the same name.
  mutating func add(_ name: [UInt8], of source: PathText) throws(FileError) {
    guard let other = sources.updateValue(source, forKey: name) else { return }
    let slash = UInt8(ascii: "/")
    let folder = destination.bytes
    let path = folder.isEmpty || folder.last == slash ? folder + name : folder + [slash] + name
    throw FileError(
      .exists, "'\(other)' and '\(source)' would both be '\(PathText(path))': nothing was sent",
      path: source.description)
  }
}

extension FileError {
  /// The error for a destination inside a source.
  init(intoItself source: PathText, _ destination: PathText) {
    let shown = destination.bytes.isEmpty ? "." : destination.description
    self.init(
      .badPath, "cannot copy the folder '\(source)' into itself, '\(shown)'",
      path: source.description)
  }
}
