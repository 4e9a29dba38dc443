internal import ArgumentParser
internal import TelpherJSON

/// The fingerprint of a host key on the command line.
enum HostKeyArgument {
  /// Reads a fingerprint as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ text: String) throws -> String {
    let digits = text.dropFirst("SHA256:".count)
    // 32 bytes are 43 digits.
    guard text.hasPrefix("SHA256:"), digits.utf8.count == 43,
      let bytes = Base64.decode(String(digits) + "="), Base64.encode(bytes) == String(digits) + "="
    else {
      throw ValidationError(
        "'\(text)' is not a fingerprint: write SHA256:... as 'telpher serve' prints it")
    }
    return text
  }
}
