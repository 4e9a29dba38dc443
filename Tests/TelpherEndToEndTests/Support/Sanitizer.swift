import Glibc

/// The thread or address sanitizer; the server is built with it if the tests are.
enum Sanitizer {
  /// Whether the tests are built with one: its runtime is part of the program.
  static var isPresent: Bool {
    dlsym(nil, "__tsan_init") != nil || dlsym(nil, "__asan_init") != nil
  }
}
