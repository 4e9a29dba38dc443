package import TelpherText

/// The user's file of groups:
///
///     # a comment
///     group  web    web[01-40]
///     group  db     db[1-3]
///     group  prod   @web,@db,!web07
///     source site   ~/ansible/hosts.yml
///
/// Each line is empty, a comment, or one of these two. A group has a name and a set of hosts, which
/// may use groups of the file, also later ones, and of its sources. A source has a name and the file
/// of an Ansible inventory; `@site:web` is its group `web`.
package struct GroupsFile: Equatable, Sendable {
  /// The name of this file as a source.
  package static let sourceName = "groups"

  /// The groups by name.
  package private(set) var groups: [ExactText: HostGroups.Group] = [:]
  /// The inventories in the order of the file.
  package private(set) var sources: [Inventory] = []

  /// An inventory that the file names.
  package struct Inventory: Equatable, Sendable {
    /// The name of the source.
    package var name: String
    /// The path as it is written.
    package var path: String
  }

  /// Reads the text of the file.
  ///
  /// - Throws: `HostsError` with the number of the first line that is wrong.
  package init(parsing text: String) throws(HostsError) {
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      do throws(HostsError) { try read(line) } catch {
        throw HostsError("line \(number): \(error)")
      }
    }
  }

  private mutating func read(_ line: Substring) throws(HostsError) {
    let (key, rest) = Self.word(line)
    guard !key.isEmpty, !key.hasPrefix("#") else { return }
    guard ["group", "source"].contains(key) else {
      throw HostsError(
        "there is no key '\(key)': a line is 'group NAME HOSTS' or 'source NAME FILE'")
    }
    let (name, value) = Self.word(rest)
    guard Self.isName(name) else {
      throw HostsError(
        name.isEmpty
          ? "there is no name after '\(key)'"
          : "'\(name)' can't be a name: it must not contain ',', '!', '&', '^', '*', ':', '@' or brackets"
      )
    }
    let text = String(value.reversed().drop(while: \.isWhitespace).reversed())
    guard !text.isEmpty else {
      throw HostsError(
        key == "group" ? "the group '\(name)' has no hosts" : "the source '\(name)' has no file")
    }
    if key == "group" {
      // A first look, so that the message has the number of the line. The groups are found later.
      _ = try HostSet(parsing: text) { _, _ throws(HostsError) in HostSet() }
      guard groups.updateValue(.expression(text), forKey: ExactText(String(name))) == nil else {
        throw HostsError("the group '\(name)' was already described")
      }
    } else {
      guard name != Self.sourceName, !sources.contains(where: { $0.name == name }) else {
        throw HostsError("there is already a source '\(name)'")
      }
      sources.append(Inventory(name: String(name), path: text))
    }
  }

  /// The first word of a text, and what follows it.
  private static func word(_ text: Substring) -> (Substring, Substring) {
    let text = text.drop(while: \.isWhitespace)
    let word = text.prefix { !$0.isWhitespace }
    return (word, text[word.endIndex...].drop(while: \.isWhitespace))
  }

  private static func isName(_ name: Substring) -> Bool {
    !name.isEmpty && !name.contains { ",!&^*:@[]".contains($0) }
  }
}
