internal import CTelpherSys
internal import Glibc

/// A descriptor that was open before, and whose description (its flags) other processes may share.
package struct AdoptedDescriptor {
  /// The descriptor to use: the one that was given, or the copy of a standard one.
  package let descriptor: Int32
  /// The status flags that it had.
  private let flags: Int32

  /// Takes over `descriptor`, whose flags nobody has changed yet. Of a standard descriptor it takes a
  /// copy, with /dev/null in its place: an empty place would go to the next file that is opened.
  package init(takingOver descriptor: Int32) {
    flags = telpher_status_flags(descriptor)
    self.descriptor = Self.takeOver(descriptor)
  }

  /// Puts O_NONBLOCK back as it was. To be called before the descriptor is closed.
  package func restoreFlags() {
    guard flags >= 0, flags & O_NONBLOCK == 0 else { return }
    _ = telpher_set_status_flags(descriptor, flags)
  }

  private static func takeOver(_ descriptor: Int32) -> Int32 {
    guard descriptor <= STDERR_FILENO else { return descriptor }
    let copy = telpher_duplicate(descriptor, STDERR_FILENO + 1)
    let null = Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
    guard copy >= 0, null >= 0 else {
      if copy >= 0 { _ = Glibc.close(copy) }
      if null >= 0 { _ = Glibc.close(null) }
      return descriptor
    }
    dup2(null, descriptor)
    _ = Glibc.close(null)
    return copy
  }
}
