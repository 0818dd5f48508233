#include <gtest/gtest.h>
#include <QApplication>
#include <QToolButton>
#include <QMouseEvent>
#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"
using namespace fovea;
TEST(Probe, Pics){ Theme t; t.set_mode(ThemeMode::light); WorkbenchState s; MainWindow w(s,t,{}); w.resize(1440,900); w.show();
 synthetic::Shape sh; sh.prompt=6; sh.generated=16; auto r=synthetic::all_heads(); synthetic::play(s,sh,r);
 for (auto* b: w.prompt().findChildren<QToolButton*>()) if (b->text().contains("ampling")) b->click();
 synthetic::wait_until([]{return false;},400);
 auto& m=w.attention().map(); QPointF at=m.geometry_of_map().to_pixel({3.5,12.5}); QMouseEvent e(QEvent::MouseMove, at, m.mapToGlobal(at), Qt::NoButton, Qt::NoButton, Qt::NoModifier); QApplication::sendEvent(&m,&e);
 synthetic::wait_until([]{return false;},100);
 w.grab().toImage().save("/tmp/b/p1.png");
 auto r2=r; r2.id=2; r2.trace.all_heads=false; r2.trace.heads={{1,2}}; s.begin_run(r2); auto ev=synthetic::run(sh,r2); s.take({ev.begin(),ev.end()-4}); s.selection().select_head({3,3}); w.show_error({ErrorCode::unsupported,"a rather long file name that goes on and on/model-with-a-long-name-00001-of-00007.gguf","the weight type IQ2_XXS of tensor blk.0.ffn_gate_exps.weight is not one that this version can read in its kernels","choose a model in F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q5_K or Q6_K, or convert this one"});
 use_language("zh_CN"); t.set_mode(ThemeMode::dark); s.take({LoadProgress{"Uploading weights",0.4}});
 synthetic::wait_until([]{return false;},400); w.grab().toImage().save("/tmp/b/p2.png"); use_language("en"); }
