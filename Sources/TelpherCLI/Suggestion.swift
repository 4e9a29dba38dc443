/// What a user may have meant by a word that was mistyped.
enum Suggestion {
  /// The most letters that are wrong, missing or too many in a word that is still taken for another.
  private static let maxDistance = 2

  /// The name that is nearest to `word`; nil if all are too far from it.
  static func nearest(to word: String, among names: [String]) -> String? {
    // Half of a short word may not be wrong.
    let limit = min(maxDistance, word.count / 2)
    return names.map { (distance(word, $0), $0) }.filter { $0.0 <= limit }.min { $0.0 < $1.0 }?.1
  }

  /// The letters to insert, remove or replace to make one word of the other (Levenshtein).
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
