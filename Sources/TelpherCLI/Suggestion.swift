/// Finds the word that the user may have meant to type.
enum Suggestion {
  /// The greatest distance at which a word is suggested.
  private static let maxDistance = 2

  /// The name that is most similar to `word`; nil if none is similar enough.
  static func nearest(to word: String, among names: [String]) -> String? {
    // In a short word, at most half of the letters may be wrong.
    let limit = min(maxDistance, word.count / 2)
    return names.map { (distance(word, $0), $0) }.filter { $0.0 <= limit }.min { $0.0 < $1.0 }?.1
  }

  /// The number of letters to insert, remove or replace to turn `a` into `b` (Levenshtein).
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
