/* SnakeViz measures the window once; loaded while it is hidden it draws nothing. */
(function () {
  var last = window.innerWidth, timer;
  window.addEventListener('resize', function () {
    if (!window.innerWidth || window.innerWidth === last) return;
    last = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(sv_selects_changed, 150);
  });
})();
