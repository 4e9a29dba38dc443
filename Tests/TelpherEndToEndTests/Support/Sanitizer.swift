import Glibc

/// The thread or address sanitizer, which the server is built with where the tests are.
enum Sanitizer {
  /// Whether there is one: its runtime is part of the program.
  static var isPresent: Bool {
    dlsym(nil, "__tsan_init") != nil || dlsym(nil, "__asan_init") != nil
  }
}
