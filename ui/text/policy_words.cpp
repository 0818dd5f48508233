#include "ui/text/policy_words.hpp"

#include <QCoreApplication>
#include <QStringList>
#include <algorithm>

namespace fovea {

namespace {

constexpr std::size_t kAllNamed = 8;  // layers

QString say(const char* text) { return QCoreApplication::translate("fovea::policy", text); }

QString number_words(double number) { return QString::number(number, 'g', 4); }
QString share_words(double share) { return number_words(100 * share) + QStringLiteral(" %"); }
QString spelled(std::string_view name) { return QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size())); }

std::vector<double> numbers_of(const QString& written) {
  std::vector<double> numbers;
  for (const QString& word : written.split('/', Qt::SkipEmptyParts)) numbers.push_back(word.toDouble());
  return numbers;
}
template <class Number>
std::vector<double> one_or_all(Number all, const std::vector<Number>& each) {
  return each.empty() ? std::vector{static_cast<double>(all)} : std::vector<double>(each.begin(), each.end());
}

// "p" of "dynamic:kmin=1,p=0.5"; "" where it is not there.
QString parameter(const QString& spec, const char* key) {
  for (const QString& part : spec.section(':', 1).split(','))
    if (part.startsWith(QLatin1String(key) + QLatin1Char('='))) return part.section('=', 1);
  return {};
}

struct SparseWords {
  QString window;
  double share = 0;
  bool most = false;       // of an adaptive budget without a wished mean: the share is the most
  bool mean = false;       // of one with it: the share is that
  std::vector<double> layers;
  QStringList others;      // what is not as it is by default
};
QString told(const SparseWords& sparse) {
  const QString share = share_words(sparse.share);
  QStringList parts{(sparse.most ? say(QT_TRANSLATE_NOOP("fovea::policy", "sparse %1 + up to %2")) : sparse.mean ? say(QT_TRANSLATE_NOOP("fovea::policy", "sparse %1 + %2 on average")) : say(QT_TRANSLATE_NOOP("fovea::policy", "sparse %1 + %2"))).arg(sparse.window, share)};
  if (!sparse.layers.empty()) parts << say(QT_TRANSLATE_NOOP("fovea::policy", "layers %1")).arg(layer_words(sparse.layers, 100, QStringLiteral(" %")));
  return (parts + sparse.others).join(QStringLiteral(", "));
}

struct ExpertWords {
  bool dynamic = false;
  std::vector<double> k, p;  // static: the numbers; dynamic: wished means
  QString c;                 // of the entropy's rule
  QStringList others;
};
QString told(const ExpertWords& words) {
  QString text = words.dynamic ? say(QT_TRANSLATE_NOOP("fovea::policy", "dynamic")) : say(QT_TRANSLATE_NOOP("fovea::policy", "static"));
  if (!words.k.empty())
    text += QStringLiteral(" k ") + layer_words(words.k);
  else if (!words.c.isEmpty())
    text += QStringLiteral(" c ") + words.c;
  else if (!words.p.empty())
    text += QStringLiteral(" p ") + layer_words(words.p);
  return (QStringList{text} + words.others).join(QStringLiteral(", "));
}

QString escorted() { return say(QT_TRANSLATE_NOOP("fovea::policy", "escort")); }
QString routed() { return say(QT_TRANSLATE_NOOP("fovea::policy", "semantic router")); }
QString chosen_every(std::uint32_t tokens) { return say(QT_TRANSLATE_NOOP("fovea::policy", "chosen every %1")).arg(tokens); }
QString even_heads() { return say(QT_TRANSLATE_NOOP("fovea::policy", "even heads")); }

}  // namespace

QString layer_words(const std::vector<double>& numbers, double scale, const QString& unit) {
  QStringList words;
  for (const double number : numbers) words << number_words(scale * number);
  if (words.size() <= static_cast<qsizetype>(kAllNamed)) return words.join('/') + unit;
  const auto [least, most] = std::ranges::minmax_element(numbers);
  return say(QT_TRANSLATE_NOOP("fovea::policy", "%1–%2%3 by layer")).arg(number_words(scale * *least), number_words(scale * *most), unit);
}

QString attention_words(const std::optional<SparseAttention>& attention) {
  if (!attention) return say(QT_TRANSLATE_NOOP("fovea::policy", "dense"));
  const SparseAttention& a = *attention;
  const bool adaptive = a.budget == PageBudget::adaptive;
  SparseWords words{.window = QString::number(a.window), .share = adaptive ? a.target.value_or(a.most) : a.global, .most = adaptive && !a.target, .mean = adaptive && a.target,
                    .layers = a.layer_shares};
  if (a.scorer != PageScorer::automatic) words.others << spelled(name(a.scorer));
  if (a.chooser != SparseAttention{}.chooser) words.others << spelled(name(a.chooser));
  else if (a.every) words.others << chosen_every(*a.every);
  if (!a.heads_by_entropy) words.others << even_heads();
  if (a.periphery != PagePeriphery::off) words.others << spelled(name(a.periphery));
  return told(words);
}

QString attention_words(const std::string& written) {
  const QString spec = QString::fromStdString(written);
  if (spec.startsWith(QLatin1String("entropy"))) return say(QT_TRANSLATE_NOOP("fovea::policy", "largest %1 of a row")).arg(share_words(parameter(spec, "keep").toDouble()));
  if (!spec.startsWith(QLatin1String("sparse"))) return attention_words(std::optional<SparseAttention>());
  const QString global = parameter(spec, "global"), most = parameter(spec, "most"), target = parameter(spec, "target");
  SparseWords words{.window = parameter(spec, "window"), .share = (!target.isEmpty() ? target : !global.isEmpty() ? global : most).toDouble(),
                    .most = target.isEmpty() && global.isEmpty(), .mean = !target.isEmpty(), .layers = numbers_of(parameter(spec, "layers"))};
  if (words.window.isEmpty()) return say(QT_TRANSLATE_NOOP("fovea::policy", "sparse"));  // written by hand: all of it by default
  const QString scorer = parameter(spec, "scorer");
  if (!scorer.isEmpty() && scorer != QLatin1String("auto")) words.others << scorer;
  if (const QString choice = parameter(spec, "choice"); !choice.isEmpty() && choice != spelled(name(SparseAttention{}.chooser))) words.others << choice;
  else if (const QString every = parameter(spec, "every"); !every.isEmpty() && every != QLatin1String("auto")) words.others << chosen_every(every.toUInt());
  if (parameter(spec, "heads") == QLatin1String("even")) words.others << even_heads();
  if (const QString periphery = parameter(spec, "periphery"); !periphery.isEmpty() && periphery != QLatin1String("off")) words.others << periphery;
  return told(words);
}

QString expert_words(const std::optional<ExpertRule>& rule, std::uint32_t experts_used) {
  ExpertWords words;
  if (!rule) {
    if (experts_used > 0) words.k = {static_cast<double>(experts_used)};
    return told(words);
  }
  words.dynamic = rule->count != ExpertCount::fixed;
  if (!words.dynamic)
    words.k = one_or_all(rule->kmax, rule->layer_kmax);
  else if (rule->target_k > 0 || !rule->layer_target_k.empty())
    words.k = one_or_all(rule->target_k, rule->layer_target_k);
  else if (rule->count == ExpertCount::entropy)
    words.c = number_words(rule->c);
  else
    words.p = one_or_all(rule->p, rule->layer_p);
  if (rule->reset == LoadReset::frozen) words.others << spelled(name(rule->reset));
  if (rule->balance != ExpertBalance::off) words.others << spelled(name(rule->balance));
  if (rule->prior) words.others << routed();
  if (rule->escort) words.others << escorted();
  return told(words);
}

QString expert_words(const std::string& written) {
  const QString spec = QString::fromStdString(written);
  ExpertWords words{.dynamic = spec.startsWith(QLatin1String("dynamic"))};
  if (!words.dynamic) {
    const QString k = parameter(spec, "k");
    words.k = numbers_of(k.isEmpty() ? parameter(spec, "layers") : k);
    return told(words);
  }
  words.k = numbers_of(parameter(spec, "target-k"));
  words.p = numbers_of(parameter(spec, "p"));
  words.c = parameter(spec, "c");
  if (parameter(spec, "reset") == spelled(name(LoadReset::frozen))) words.others << spelled(name(LoadReset::frozen));
  if (const QString balance = parameter(spec, "balance"); !balance.isEmpty() && balance != QLatin1String("off")) words.others << balance;
  if (!parameter(spec, "prior").isEmpty()) words.others << routed();
  if (!parameter(spec, "escort").isEmpty()) words.others << escorted();
  return told(words);
}

}  // namespace fovea
