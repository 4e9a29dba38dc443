internal import Glibc
internal import TelpherText

/// The names of hosts that a shell offers: those of the configuration and of ~/.ssh/config.
enum KnownHosts {
  /// How deep files may include others; ssh has the same limit (ssh_config(5)).
  private static let greatestDepth = 16
  /// The most names that are offered: no user reads more, and a file may include itself.
  private static let limit = 10_000

  /// All names, sorted. Files that can't be read or have a mistake count as empty: completion prints
  /// no messages.
  static func names(environment: [String: String]) -> [String] {
    let own = (try? ConfigurationFile(environment: environment).read().hosts.keys) ?? [:].keys
    var names = Set(own)
    if let home = environment["HOME"] {
      addNames(of: "\(home)/.ssh/config", folder: "\(home)/.ssh", home: home, depth: 0, to: &names)
    }
    return names.sorted().map(\.text)
  }

  private static func addNames(
    of path: String, folder: String, home: String, depth: Int, to names: inout Set<ExactText>
  ) {
    // Only regular files: opening a FIFO would wait for a writer.
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      let text = try? SmallFile.text(path)
    else { return }
    for line in text.split(whereSeparator: \.isNewline) {
      guard names.count < limit, let (key, values) = words(of: line) else { continue }
      switch key {
      case "host": names.formUnion(values.filter(isName).map { ExactText($0) })
      case "include" where depth < greatestDepth:
        for pattern in values {
          for file in files(matching: pattern, folder: folder, home: home) {
            addNames(of: file, folder: folder, home: home, depth: depth + 1, to: &names)
          }
        }
      default: break
      }
    }
  }

  /// The keyword of a line of ssh_config(5) in small letters, and its values.
  private static func words(of line: Substring) -> (key: String, values: [String])? {
    let text = line.drop { $0 == " " || $0 == "\t" }
    guard text.first != "#" else { return nil }
    let key = text.prefix { $0 != " " && $0 != "\t" && $0 != "=" }
    let rest = text.dropFirst(key.count).drop { $0 == " " || $0 == "\t" || $0 == "=" }
    guard !key.isEmpty else { return nil }
    let values = rest.split { $0 == " " || $0 == "\t" }.map { $0.filter { $0 != "\"" } }
    return (key.lowercased(), values.map { String($0) })
  }

  /// Whether a word of a Host line is a name and not a pattern.
  private static func isName(_ word: String) -> Bool {
    HostName.isName(word) && !word.contains { "*?!".contains($0) }
  }

  private static func files(matching pattern: String, folder: String, home: String) -> [String] {
    let path =
      pattern.hasPrefix("/")
      ? pattern : pattern.hasPrefix("~/") ? home + pattern.dropFirst() : "\(folder)/\(pattern)"
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(path, 0, nil, &found) == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
  }
}
