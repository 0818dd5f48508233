#include "ui/theme/theme.hpp"

namespace fovea {

namespace {

// @name stands for a colour of the theme.
constexpr const char* kSheet = R"(
QMainWindow, QDialog { background: @ground; }
QMainWindow::separator { background: @ground; width: 8px; height: 8px; }
QMainWindow::separator:hover { background: @line; }
QMenuBar { background: @ground; padding: 2px 0; }
QMenuBar::item { padding: 4px 8px; border-radius: 4px; background: transparent; }
QMenuBar::item:selected { background: @hover; }
QMenu { background: @panel; border: 1px solid @line; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 24px; border-radius: 4px; }
QMenu::item:selected { background: @selected; }
QMenu::item:disabled { color: @dim; }
QMenu::separator { height: 1px; background: @line; margin: 4px 8px; }
QToolBar { background: @ground; border: none; padding: 2px 0; spacing: 8px; }
QToolTip { background: @panel; color: @text; border: 1px solid @line; padding: 4px 6px; }
QStatusBar { background: @ground; }
QStatusBar::item { border: none; }
QStatusBar QLabel { padding: 0 8px; color: @dim; }

QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; }
#dock_title { background: @panel; border: 1px solid @line; border-bottom: none; border-top-left-radius: 6px;
  border-top-right-radius: 6px; }
#dock_title QLabel { font-weight: 600; }
QFrame[panel="true"] { background: @panel; border: 1px solid @line; border-top: none; border-bottom-left-radius: 6px;
  border-bottom-right-radius: 6px; }
QTabBar { qproperty-drawBase: 0; }
QTabBar::tab { padding: 5px 11px; color: @dim; background: transparent; border: none; border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: @text; border-bottom-color: @accent; }
QTabBar::tab:hover { color: @text; }
QTabBar::tab:focus { background: @hover; }
QTabWidget::pane { border: none; border-top: 1px solid @line; }

QPushButton, QToolButton { background: @control; color: @text; border: 1px solid @line; border-radius: 5px; padding: 4px 12px; }
QToolButton { padding: 4px 8px; }
QToolButton[popupMode="2"] { padding-right: 22px; }
QToolButton::menu-indicator { image: url(@chevron); width: 9px; height: 9px; subcontrol-origin: padding; subcontrol-position: right center; right: 7px; }
QPushButton:hover, QToolButton:hover { background: @hover; }
QPushButton:pressed, QToolButton:pressed, QToolButton:checked { background: @selected; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QLineEdit:focus,
QPlainTextEdit:focus, QTableView:focus, QTextBrowser:focus { border: 1px solid @accent; }
QPushButton:disabled, QToolButton:disabled { color: @dim; background: @ground; }
QPushButton[primary="true"] { background: @accent; color: @on_accent; border-color: @accent; font-weight: 600; }
QPushButton[primary="true"]:focus { border: 1px solid @text; }
QPushButton[primary="true"]:disabled { background: @ground; color: @dim; border-color: @line; }
QToolButton[flat="true"] { background: transparent; border: 1px solid transparent; padding: 3px; }
QToolButton[flat="true"]:hover { background: @hover; }
QToolButton[flat="true"]:checked { background: @selected; }
QToolButton[flat="true"]:focus { border: 1px solid @accent; }
QToolButton[chip="true"] { border-radius: 13px; padding: 4px 12px; background: @panel; }
QToolButton[chip="true"]:hover { background: @hover; }

QLineEdit, QPlainTextEdit, QSpinBox, QDoubleSpinBox { background: @control; border: 1px solid @line; border-radius: 5px;
  padding: 3px 6px; selection-background-color: @selected; selection-color: @text; }
QLineEdit[wrong="true"] { border: 1px solid @loss; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { color: @dim; }
QRadioButton { spacing: 6px; }
QRadioButton::indicator { width: 12px; height: 12px; border: 1px solid @dim; border-radius: 7px; background: @control; }
QRadioButton::indicator:checked { width: 6px; height: 6px; border: 4px solid @accent; background: @on_accent; }
QRadioButton:focus { color: @accent; }
QComboBox { background: @control; border: 1px solid @line; border-radius: 5px; padding: 3px 8px; }
QComboBox:hover { background: @hover; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow, QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url(@chevron); width: 9px; height: 9px; }
QComboBox QAbstractItemView { background: @panel; border: 1px solid @line; selection-background-color: @selected;
  selection-color: @text; outline: none; }
QSpinBox, QDoubleSpinBox { padding-right: 4px; }
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button { width: 0; border: none; }

QTableView { background: @panel; alternate-background-color: @ground; border: 1px solid transparent; gridline-color: transparent;
  selection-background-color: @selected; selection-color: @text; }
QTextBrowser { background: @panel; border: 1px solid transparent; selection-background-color: @selected; selection-color: @text; }
QHeaderView::section { background: @panel; color: @dim; border: none; border-bottom: 1px solid @line; padding: 4px 8px; }
QTableCornerButton::section { background: @panel; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: @line; border-radius: 3px; margin: 2px; min-height: 24px; min-width: 24px; }
QScrollBar::handle:hover { background: @dim; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { background: transparent; border: none; }
QAbstractScrollArea::corner { background: transparent; border: none; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: @line; }
QProgressBar { background: @ground; border: 1px solid @line; border-radius: 4px; height: 6px; text-align: center; }
QProgressBar::chunk { background: @accent; border-radius: 3px; }

#banner { background: @panel; border: 1px solid @loss; border-left: 4px solid @loss; border-radius: 6px;
  margin-top: 8px; }
#policy_panel { background: @panel; border: 1px solid @line; border-radius: 6px; }
#separator { background: @line; border: none; }
QSlider { min-height: 22px; }
QSlider::groove:horizontal { background: @line; height: 4px; border-radius: 2px; }
QSlider::sub-page:horizontal { background: @accent; border-radius: 2px; }
QSlider::handle:horizontal { background: @accent; width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; }
QSlider::handle:horizontal:focus { border: 2px solid @text; width: 10px; height: 10px; }
QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled { background: @dim; }
#progress_strip { background: @panel; border: 1px solid @line; border-radius: 6px; margin-top: 8px; }
QLabel[dim="true"], QCheckBox[dim="true"] { color: @dim; }
QLabel[heading="true"] { font-size: 15px; font-weight: 600; }
)";

}  // namespace

QString style_sheet(const ThemeColors& c) {
  QString sheet = QString::fromLatin1(kSheet);

  const std::pair<const char*, QColor> colors[] = {
      {"@on_accent", c.on_accent}, {"@selected", c.selected}, {"@control", c.control}, {"@ground", c.ground},
      {"@accent", c.accent},       {"@panel", c.panel},       {"@hover", c.hover},     {"@line", c.line},
      {"@text", c.text},           {"@loss", c.loss},         {"@dim", c.dim}};
  for (const auto& [name, color] : colors) sheet.replace(QLatin1String(name), color.name());
  return sheet.replace(QLatin1String("@chevron"), QLatin1String(":/fovea/icons/chevron.svg"));
}

}  // namespace fovea
