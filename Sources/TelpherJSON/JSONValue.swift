internal import TelpherText

/// A parsed JSON value.
enum JSONValue {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits.
  case integer(Int64)
  /// Any other number, as it was written.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// The members of a JSON object. Of members with equal keys the first counts; keys are equal if their
/// bytes are.
struct JSONObject {
  /// A key and its value.
  struct Member {
    let key: ExactText
    let value: JSONValue
  }

  /// The members in the order of writing.
  private(set) var members: [Member] = []
  /// The place of each key, if there are many.
  private var places: [ExactText: Int] = [:]

  /// Up to this number of members, comparing all keys is faster than hashing.
  private static let searched = 8

  /// Adds a member.
  mutating func append(_ key: String, _ value: JSONValue) {
    if members.isEmpty { members.reserveCapacity(Self.searched) }
    let key = ExactText(key)
    members.append(Member(key: key, value: value))
    if members.count == Self.searched + 1 {
      for (place, member) in members.enumerated() where places[member.key] == nil {
        places[member.key] = place
      }
    } else if members.count > Self.searched, places[key] == nil {
      places[key] = members.count - 1
    }
  }

  /// The value of the first member with that key; nil if there is none.
  subscript(key: String) -> JSONValue? {
    let key = ExactText(key)
    if members.count > Self.searched { return places[key].map { members[$0].value } }
    return members.first { $0.key == key }?.value
  }
}
