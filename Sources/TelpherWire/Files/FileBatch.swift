/// Files of one folder that one record of channel 5 announces together (docs/PROTOCOL.md, "Trees").
/// For small files, one JSON object per file would cost more than the file itself.
package struct FileBatch: Sendable, Equatable, Codable {
  /// The most files in one record.
  package static let maxFiles = 1_024

  /// The folder that holds the files, as an entry's path.
  package let folder: PathText
  /// The permission bits of all files.
  package let mode: UInt32
  /// The names. A name that is not UTF-8 needs a record of its own, with an entry.
  package private(set) var names: [String] = []
  /// The lengths in bytes, in the order of the names.
  package private(set) var sizes: [Int64] = []
  /// The times of the last modification, in nanoseconds since 1970, in the order of the names.
  package private(set) var mtimesNS: [Int128] = []

  /// An empty batch of files in `folder` with the permission bits `mode`.
  package init(folder: PathText, mode: UInt32) {
    self.folder = folder
    self.mode = mode
  }

  /// Appends a file.
  package mutating func append(_ name: String, size: Int64, mtimeNS: Int128) {
    names.append(name)
    sizes.append(size)
    mtimesNS.append(mtimeNS)
  }

  /// The most bytes that a file called `name` adds to a record: JSON may write each byte of the
  /// name as six, and the two numbers have up to 20 and 40 digits.
  package static func length(of name: String) -> Int { 6 * name.utf8.count + 72 }

  enum CodingKeys: String, CodingKey {
    case folder = "in"
    case mode, names, sizes
    case mtimesNS = "mtimes_ns"
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    folder = try container.decode(PathText.self, forKey: .folder)
    mode = try container.decode(UInt32.self, forKey: .mode)
    names = try container.decode([String].self, forKey: .names)
    sizes = try container.decode([Int64].self, forKey: .sizes)
    mtimesNS = try container.decode([Int128].self, forKey: .mtimesNS)
    guard sizes.count == names.count, mtimesNS.count == names.count else {
      throw DecodingError.dataCorruptedError(
        forKey: .names, in: container,
        debugDescription:
          "\(names.count) names, \(sizes.count) sizes and \(mtimesNS.count) times differ in number")
    }
    guard names.count <= Self.maxFiles else {
      throw DecodingError.dataCorruptedError(
        forKey: .names, in: container,
        debugDescription: "more than \(Self.maxFiles) files in one record")
    }
  }
}
