internal import TelpherFiles
internal import TelpherWire

/// The names that the sources of a transfer get at its destination: no two the same.
struct DestinationNames {
  private let destination: PathText
  private var sources: [[UInt8]: PathText] = [:]

  init(destination: PathText) { self.destination = destination }

  /// Adds what `source` gets.
  ///
  /// - Throws: `FileError` (`exists`) where another source gets that name.
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
  /// The destination is inside of a source.
  init(intoItself source: PathText, _ destination: PathText) {
    let shown = destination.bytes.isEmpty ? "." : destination.description
    self.init(
      .badPath, "cannot copy the folder '\(source)' into itself, '\(shown)'",
      path: source.description)
  }
}
