// The whole window on a small screen: nothing makes it larger than that, in either language.
#include <gtest/gtest.h>

#include <limits>

#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

struct Case {
  const char* language;
  bool policies;  // sparse attention and a policy of experts, kernels timed
};
class SmallWindow : public testing::TestWithParam<Case> {};

TEST_P(SmallWindow, HoldsEveryView) {
  const Case at = GetParam();
  use_language(QString::fromLatin1(at.language));
  Theme theme;
  WorkbenchState state;
  MainWindow window(state, theme, {});
  window.resize(1024, 700);
  window.show();
  synthetic::Shape shape;
  shape.sparse = shape.dynamic = shape.timed = at.policies;
  shape.chinese = at.language == QLatin1String("zh_CN");
  Generate request = synthetic::all_heads();
  if (at.policies) {
    shape.prompt = 288;
    request.trace.measure_every = 1;
  }
  state.take({synthetic::loaded(shape)});
  state.begin_run(request);
  std::vector<Event> events = synthetic::run(shape, request);
  for (Event& event : events)
    if (auto* tokenized = std::get_if<PromptTokenized>(&event)) tokenized->seed = std::numeric_limits<std::uint64_t>::max();  // the longest there is
  state.take(events);
  for (const View view : {View::prompt, View::attention, View::experts, View::memory, View::model, View::performance, View::compare, View::lengths}) {
    window.raise_view(view);
    QCoreApplication::processEvents();
    EXPECT_LE(window.minimumSizeHint().width(), 1024) << window.dock(view).windowTitle().toStdString();
    EXPECT_LE(window.minimumSizeHint().height(), 700) << window.dock(view).windowTitle().toStdString();
    EXPECT_EQ(window.size(), QSize(1024, 700)) << window.dock(view).windowTitle().toStdString();
  }
  window.raise_view(View::attention);
  QCoreApplication::processEvents();
  EXPECT_GT(window.attention().map().width(), window.attention().grid().width()) << "the map has most of it";
  // Words that have no room at the foot are in its tooltip.
  window.resize(700, 700);
  QCoreApplication::processEvents();
  EXPECT_TRUE(window.status_line().text().contains(QStringLiteral("18446744073709551615")));
  EXPECT_EQ(window.status_line().toolTip(), window.status_line().text());
  window.resize(1900, 700);
  QCoreApplication::processEvents();
  EXPECT_EQ(window.status_line().toolTip(), QString());
  use_language(QStringLiteral("en"));
}

INSTANTIATE_TEST_SUITE_P(Languages, SmallWindow, testing::Values(Case{"en", false}, Case{"en", true}, Case{"zh_CN", false}, Case{"zh_CN", true}));

}  // namespace
}  // namespace fovea
