/// Files of one folder that are announced together, in one record of channel 5 (docs/PROTOCOL.md,
/// "Trees"). An object for each would cost more than the file itself where files are small.
public struct FileBatch: Sendable, Equatable, Codable {
  /// Files that one record announces, at most.
  public static let maxFiles = 1_024

  /// The folder that they are in, as an entry's path.
  public let folder: PathText
  /// The permission bits that all of them have.
  public let mode: UInt32
  /// Their names. A name that is not UTF-8 stands in an entry of its own.
  public private(set) var names: [String] = []
  /// Their lengths in bytes, in the order of the names.
  public private(set) var sizes: [Int64] = []
  /// When they were last modified, in nanoseconds since 1970, in the order of the names.
  public private(set) var mtimesNS: [Int128] = []

  /// Files of `folder` with the permissions `mode`; none yet.
  public init(folder: PathText, mode: UInt32) {
    self.folder = folder
    self.mode = mode
  }

  /// Appends a file.
  public mutating func append(_ name: String, size: Int64, mtimeNS: Int128) {
    names.append(name)
    sizes.append(size)
    mtimesNS.append(mtimeNS)
  }

  /// The most bytes that one more file of `name` makes a record longer: each byte may be six of JSON,
  /// and two numbers have 20 and 40 digits.
  public static func length(of name: String) -> Int { 6 * name.utf8.count + 72 }

  enum CodingKeys: String, CodingKey {
    case folder = "in"
    case mode, names, sizes
    case mtimesNS = "mtimes_ns"
  }

  public init(from decoder: any Decoder) throws {
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
          "\(names.count) names, \(sizes.count) sizes and \(mtimesNS.count) times are not as many")
    }
    guard names.count <= Self.maxFiles else {
      throw DecodingError.dataCorruptedError(
        forKey: .names, in: container,
        debugDescription: "more than \(Self.maxFiles) files in one record")
    }
  }
}
