internal import TelpherClient

/// The hosts of a configuration file: short names with the addresses and options that belong to them.
///
///     # a comment
///     host build
///       address  ssh://me@build.example.com:2222
///       jump     gate.example.com
///       identity ~/.ssh/build
///       keep     10m
///
/// Each line is empty, a comment, or a key and its value, which is the rest of the line. `host`
/// begins a host; the lines after it, up to the next `host`, belong to it. Each key occurs at most
/// once.
struct HostConfiguration: Equatable {
  /// A host.
  struct Host: Equatable {
    /// Its server.
    let endpoint: Endpoint
    /// How long a connection to it is kept after its last use; nil for the default, 0 for not at
    /// all.
    let keep: Duration?
  }

  /// The hosts by name.
  private(set) var hosts: [ExactText: Host] = [:]

  /// A mistake in a line, whose number begins at 1.
  struct Mistake: Error, Equatable {
    let line: Int
    let message: String
  }

  /// The keys within a host.
  private enum Key: String, CaseIterable {
    case address, jump, identity, keep
  }

  /// A value, and the line that it stands in.
  private struct Setting {
    let value: String
    let line: Int
  }

  /// The lines of a host.
  private struct Block {
    let name: String
    let line: Int
    var settings: [Key: Setting] = [:]
  }

  /// No hosts.
  init() {}

  /// Reads the text of a configuration file.
  ///
  /// - Throws: `Mistake` for the first line that is wrong.
  init(parsing text: String) throws(Mistake) {
    var block: Block?
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      guard let (key, value) = try Self.words(of: line, number) else { continue }
      if key == "host" {
        try add(block)
        block = Block(name: try name(value, number), line: number)
      } else {
        try Self.set(key, Setting(value: value, line: number), in: &block)
      }
    }
    try add(block)
  }

  /// The key and the value of a line; nil if it is empty or a comment.
  private static func words(
    of line: Substring, _ number: Int
  ) throws(Mistake) -> (key: String, value: String)? {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard line.unicodeScalars.allSatisfy({ $0.value >= 0x20 || $0 == "\t" }) else {
      throw Mistake(line: number, message: "there is a control character")
    }
    let text = line.drop(while: isSpace)
    guard let first = text.first, first != "#" else { return nil }
    let key = text.prefix { !isSpace($0) }
    var value = text.dropFirst(key.count).drop(while: isSpace)
    while value.last.map(isSpace) == true { value.removeLast() }
    return (key.lowercased(), String(value))
  }

  private func name(_ text: String, _ number: Int) throws(Mistake) -> String {
    guard HostName.isName(text) else {
      throw Mistake(
        line: number,
        message: text.isEmpty
          ? "there is no name after 'host'"
          : "'\(text)' can't be the name of a host: it must not begin with '-' or contain a space, ':', '/', '@', '[' or ']'"
      )
    }
    guard hosts[ExactText(text)] == nil else {
      throw Mistake(line: number, message: "the host '\(text)' was already described")
    }
    return text
  }

  private static func set(
    _ word: String, _ setting: Setting, in block: inout Block?
  ) throws(Mistake) {
    guard let key = Key(rawValue: word) else {
      let names = ["host"] + Key.allCases.map(\.rawValue)
      let advice =
        Suggestion.nearest(to: word, among: names).map { "did you mean '\($0)'?" }
        ?? "the keys are \(names.joined(separator: ", "))"
      throw Mistake(line: setting.line, message: "there is no key '\(word)': \(advice)")
    }
    guard !setting.value.isEmpty else {
      throw Mistake(line: setting.line, message: "there is no value after '\(word)'")
    }
    guard let name = block?.name else {
      throw Mistake(
        line: setting.line, message: "'\(word)' must follow a line 'host NAME' that it belongs to")
    }
    guard block?.settings.updateValue(setting, forKey: key) == nil else {
      throw Mistake(line: setting.line, message: "'\(word)' occurs twice for the host '\(name)'")
    }
  }

  private mutating func add(_ block: Block?) throws(Mistake) {
    guard let block else { return }
    let settings = block.settings
    hosts[ExactText(block.name)] = Host(
      endpoint: try Self.endpoint(of: block), keep: try settings[.keep].map(Self.duration))
  }

  private static func endpoint(of block: Block) throws(Mistake) -> Endpoint {
    let address =
      block.settings[.address] ?? Setting(value: "ssh://\(block.name)", line: block.line)
    let endpoint = try read(address) { value throws(ClientError) in try Endpoint(parsing: value) }
    var changed = endpoint
    for key in [Key.jump, .identity] {
      guard let setting = block.settings[key] else { continue }
      let carrier = try read(setting) { value throws(ClientError) -> Carrier? in
        guard case .carrier(let carrier) = changed else { return nil }
        return try key == .jump
          ? carrier.changingSSH(jump: value) : carrier.changingSSH(identity: value)
      }
      guard let carrier else {
        throw Mistake(
          line: setting.line, message: "'\(key)' is for ssh:// addresses, not for \(endpoint)")
      }
      changed = .carrier(carrier)
    }
    return changed
  }

  private static func read<Value>(
    _ setting: Setting, _ body: (String) throws(ClientError) -> Value
  ) throws(Mistake) -> Value {
    do throws(ClientError) {
      return try body(setting.value)
    } catch {
      throw Mistake(line: setting.line, message: error.message)
    }
  }

  private static func duration(_ setting: Setting) throws(Mistake) -> Duration {
    do {
      return try DurationArgument.parse(setting.value)
    } catch {
      throw Mistake(line: setting.line, message: "\(error)")
    }
  }
}
