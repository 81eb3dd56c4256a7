/* SnakeViz measures the window once; loaded while it is hidden it draws nothing, or fails in the middle. */
(function () {
  var last = window.innerWidth, timer, tries = 0, draw = window.redraw_vis;
  window.redraw_vis = function (json) {
    try {
      draw(json);
    } catch (error) {
      if (tries++ >= 20) throw error;
      setTimeout(function () { window.redraw_vis(json); }, 250);
    }
  };
  window.addEventListener('resize', function () {
    if (!window.innerWidth || window.innerWidth === last) return;
    last = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(sv_selects_changed, 150);
  });
})();
